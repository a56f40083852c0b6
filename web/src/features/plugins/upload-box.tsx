// Where a plugin's file is handed in: by a button, or dropped anywhere on the page around it.
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import type { InstalledPlugin } from "@/api/plugins";
import { Button } from "@/ui/button";
import { Upload } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";
import { useDrop } from "@/ui/use-drop";
import { Words } from "@/ui/words";
import { useInstall } from "./use-install";

interface UploadBoxProps {
  label: string;
  onInstalled: (plugin: InstalledPlugin) => void;
}

export function UploadBox({ label, onInstalled }: UploadBoxProps) {
  const { t } = useTranslation();
  const { install, sent } = useInstall();
  const chooser = useRef<HTMLInputElement>(null);
  const [several, setSeveral] = useState(false);
  const take = (files: ArrayLike<File> | null) => {
    const [file, second] = Array.from(files ?? []);
    setSeveral(second !== undefined);
    // Told here and not by the hook: whoever has left the page meanwhile is not led away from where they are.
    if (file && !second && !install.isPending) install.mutate(file, { onSuccess: onInstalled });
  };
  const over = useDrop(take);
  const name = install.variables?.name ?? "";
  return (
    <section aria-label={label} data-testid="upload" className={`rounded-2xl border border-dashed px-5 py-4 transition-colors ${over ? "border-brass bg-brass-wash" : "border-faint/50"}`}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Button weight="primary" disabled={install.isPending} onClick={() => chooser.current?.click()}><Upload />{label}</Button>
        <p className="min-w-0 flex-1 basis-48 text-sm text-quiet"><Words text={over ? t("plugins.drop") : t("plugins.upload_hint")} /></p>
        <input ref={chooser} type="file" accept=".wasm,application/wasm,.json,.yaml,.yml" className="hidden" tabIndex={-1} aria-hidden="true" data-testid="upload-file"
          onChange={(event) => { take(event.target.files); event.target.value = ""; }} />
      </div>
      <div role="status">
        {install.isPending && (
          <div className="mt-3 text-sm text-quiet">
            <p className="break-all">{sent < 1 ? t("plugins.uploading", { name, percent: Math.round(sent * 100) }) : t("plugins.checking", { name })}</p>
            <progress aria-label={label} max={1} {...(sent < 1 ? { value: sent } : {})} className="meter mt-1.5 block w-full" />
          </div>
        )}
        {several && <p className="mt-3 text-sm text-seal">{t("plugins.one_file")}</p>}
      </div>
      {install.error && (
        <div className="mt-3 space-y-2">
          <p className="font-medium break-all">{t("plugins.upload_refused", { name })}</p>
          <ProblemNotice problem={asProblem(install.error)} />
        </div>
      )}
    </section>
  );
}
