// Secrets: their names, and ways to set, replace and delete them. A value goes in and never comes out again.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { secretsQuery } from "@/api/queries";
import { millis } from "@/api/run-progress";
import type { Secret } from "@/api/types";
import { Button, IconButton } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Field } from "@/ui/field";
import { Trash } from "@/ui/icons";
import { Loading } from "@/ui/page";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatMoment } from "@/ui/time";
import { Words } from "@/ui/words";

const address = (name: string) => `/api/v1/secrets/${encodeURIComponent(name)}`;

export function Secrets() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const secrets = useQuery(secretsQuery);
  const [name, setName] = useState("");
  const [doomed, setDoomed] = useState<Secret | null>(null);
  const value = useRef<HTMLInputElement>(null);
  const remove = useMutation({
    mutationFn: (secret: Secret) => request<void>(address(secret.name), { method: "DELETE" }),
    onSettled: () => queries.invalidateQueries({ queryKey: secretsQuery.queryKey }),
  });
  const replace = (secret: Secret) => {
    setName(secret.name);
    value.current?.focus();
  };
  return (
    <Panel title={t("settings.secrets")} text={<Words text={t("settings.secrets_text")} />}>
      {secrets.isPending && <Loading label={t("common.loading")} />}
      {secrets.isError && <ProblemNotice problem={asProblem(secrets.error)} onRetry={() => void secrets.refetch()} />}
      {secrets.isSuccess && (
        <>
          {secrets.data.length === 0 && <p className="mb-5 text-faint">{t("settings.no_secrets")}</p>}
          {secrets.data.length > 0 && (
            <ul className="mb-5 divide-y divide-line overflow-hidden rounded-xl border border-line">
              {secrets.data.map((secret) => <li key={secret.name}><Row secret={secret} onReplace={() => replace(secret)} onDelete={() => setDoomed(secret)} /></li>)}
            </ul>
          )}
          {remove.error && <div className="mb-4"><ProblemNotice problem={asProblem(remove.error)} /></div>}
          <SecretForm name={name} onName={setName} value={value} known={secrets.data.some((one) => one.name === name.trim())} />
        </>
      )}
      <Confirm open={doomed !== null} onClose={() => setDoomed(null)} title={t("settings.delete_title")} action={t("common.delete")}
        text={t("settings.delete_text", { name: doomed?.name ?? "" })} onConfirm={() => doomed && remove.mutate(doomed)} />
    </Panel>
  );
}

function Row({ secret, onReplace, onDelete }: { secret: Secret; onReplace: () => void; onDelete: () => void }) {
  const { t, i18n } = useTranslation();
  const changed = millis(secret.updated_at) ?? millis(secret.created_at);
  return (
    <div data-testid="secret" className="flex flex-wrap items-center gap-x-4 gap-y-1 bg-paper px-4 py-2">
      <span className="min-w-0 font-mono text-sm break-all">{secret.name}</span>
      <span className="text-sm text-faint">{changed !== null && t("settings.changed", { moment: formatMoment(changed, i18n.language) })}</span>
      <span className="ms-auto flex items-center">
        <Button weight="bare" aria-label={t("settings.replace_named", { name: secret.name })} onClick={onReplace}>{t("settings.replace")}</Button>
        <IconButton label={t("settings.delete_named", { name: secret.name })} onClick={onDelete}><Trash /></IconButton>
      </span>
    </div>
  );
}

interface SecretFormProps {
  name: string;
  onName: (name: string) => void;
  value: React.RefObject<HTMLInputElement | null>;
  /** There is one of this name already. */
  known: boolean;
}

function SecretForm({ name, onName, value, known }: SecretFormProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [text, setText] = useState("");
  const save = useMutation({
    mutationFn: () => request<unknown>(address(name.trim()), { method: "PUT", body: { value: text } }),
    onSuccess: async () => {
      setText("");
      onName("");
      await queries.invalidateQueries({ queryKey: secretsQuery.queryKey });
    },
  });
  return (
    <form className="space-y-4" autoComplete="off" onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label={t("settings.name")} hint={t("settings.name_hint")} required value={name} spellCheck={false} className="[&_input]:font-mono" onChange={(event) => { save.reset(); onName(event.target.value); }} />
        <Field ref={value} label={t("settings.value")} hint={t("settings.value_hint")} type="password" autoComplete="new-password" required value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      {save.error && <ProblemNotice problem={asProblem(save.error)} />}
      <div className="flex items-center gap-3">
        <Button type="submit" weight="primary" disabled={save.isPending}>{known ? t("settings.replace") : t("settings.add")}</Button>
        <span role="status" className="text-sm text-quiet">{save.isSuccess ? t("common.saved") : ""}</span>
      </div>
    </form>
  );
}
