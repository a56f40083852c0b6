// The files that are on their way to the server, each with how much of it has gone.
import { useTranslation } from "react-i18next";
import { sayError } from "@/ui/problem-notice";
import { Button, IconButton } from "@/ui/button";
import { Cross, Retry } from "@/ui/icons";
import { formatBytes } from "@/ui/size";
import { Words } from "@/ui/words";
import type { QueuedFile, UploadQueue } from "./upload-queue";

export function QueueList({ items, queue }: { items: readonly QueuedFile[]; queue: UploadQueue }) {
  const { t } = useTranslation();
  if (items.length === 0) return null;
  const left = items.filter((item) => item.state !== "failed").length;
  return (
    <div className="mt-4 border-t border-line pt-3">
      <p role="status" className="text-sm text-quiet">{left > 0 ? t("knowledge.queue_left", { count: left }) : t("knowledge.queue_failed", { count: items.length })}</p>
      {/* Hundreds may be dropped at once; the list must not push the page away. */}
      <ul className="mt-1 max-h-80 divide-y divide-line overflow-auto" data-testid="upload-queue">
        {items.map((item) => <li key={item.key}><Entry item={item} queue={queue} /></li>)}
      </ul>
    </div>
  );
}

function Entry({ item, queue }: { item: QueuedFile; queue: UploadQueue }) {
  const { t, i18n } = useTranslation();
  const { problem } = item;
  const said = problem && sayError(t, { code: problem.code, title: problem.title, message: problem.detail, hint: problem.hint });
  return (
    <div className="flex items-start gap-2 py-2">
      <div className="min-w-0 flex-1 text-sm">
        <p className="flex flex-wrap items-baseline gap-x-3">
          <span className="min-w-0 font-medium wrap-anywhere">{item.name}</span>
          <span className="text-faint tabular-nums">
            {item.state === "waiting" && t("knowledge.queue_waiting")}
            {item.state === "sending" && (item.sent < 1 ? t("knowledge.queue_sending", { percent: Math.round(item.sent * 100), size: formatBytes(item.file.size, i18n.language) }) : t("knowledge.queue_sent"))}
          </span>
        </p>
        {item.state === "sending" && <progress aria-label={item.name} max={1} {...(item.sent < 1 ? { value: item.sent } : {})} className="meter mt-1.5 block w-full" />}
        {said && (
          <p role="alert" className="mt-0.5 text-seal">
            <Words text={said.title} /> <span className="text-quiet"><Words text={[said.detail, said.hint].filter(Boolean).join(" ")} /></span>
          </p>
        )}
      </div>
      {item.state === "failed" && <Button weight="bare" onClick={() => queue.retry(item.key)}><Retry />{t("common.retry")}</Button>}
      <IconButton label={t("knowledge.queue_remove", { name: item.name })} onClick={() => queue.remove(item.key)}><Cross /></IconButton>
    </div>
  );
}
