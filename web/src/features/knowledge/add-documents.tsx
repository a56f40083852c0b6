// The ways to bring documents: files by a button or dropped anywhere on the page, an address, and questions with answers
// written by hand. A table for an empty base first shows its columns.
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { KnowledgeBase } from "@/api/knowledge";
import { Button } from "@/ui/button";
import { Globe, Question, Upload } from "@/ui/icons";
import { useDrop } from "@/ui/use-drop";
import { AddressForm } from "./address-form";
import { looksLikeTable } from "./columns";
import { ColumnsDialog } from "./columns-dialog";
import { QuestionsForm } from "./questions-form";
import { QueueList } from "./queue-list";
import { useUploadQueue } from "./use-upload-queue";

interface AddDocumentsProps {
  base: KnowledgeBase;
  /** Which form stands open at first. */
  first: string | undefined;
}

type Open = "address" | "questions" | null;

export function AddDocuments({ base, first }: AddDocumentsProps) {
  const { t } = useTranslation();
  const { items, queue } = useUploadQueue(base.name);
  const chooser = useRef<HTMLInputElement>(null);
  const [open, setOpen] = useState<Open>(first === "questions" || first === "address" ? first : null);
  const [table, setTable] = useState<File | null>(null);
  const take = (list: ArrayLike<File> | null) => {
    const files = Array.from(list ?? []);
    const [only] = files;
    if (!only || table) return;
    if (files.length === 1 && base.documents === 0 && looksLikeTable(only)) return setTable(only);
    queue.add(files);
  };
  const over = useDrop(take);
  const turn = (which: Exclude<Open, null>) => setOpen(open === which ? null : which);
  return (
    <section aria-label={t("knowledge.add")} data-testid="add-documents" className={`rounded-2xl border border-dashed px-4 py-4 transition-colors sm:px-5 ${over ? "border-brass bg-brass-wash" : "border-faint/50"}`}>
      <div className="flex flex-wrap items-center gap-2">
        <Button weight="primary" onClick={() => chooser.current?.click()}><Upload />{t("knowledge.add_files")}</Button>
        <Button aria-expanded={open === "address"} onClick={() => turn("address")}><Globe />{t("knowledge.add_address")}</Button>
        <Button aria-expanded={open === "questions"} onClick={() => turn("questions")}><Question />{t("knowledge.add_questions")}</Button>
        <input ref={chooser} type="file" multiple className="hidden" tabIndex={-1} aria-hidden="true" data-testid="document-files"
          onChange={(event) => { take(event.target.files); event.target.value = ""; }} />
      </div>
      <p className="mt-2 text-sm text-quiet">{over ? t("knowledge.drop") : t("knowledge.drop_hint")}</p>
      {open === "address" && <div className="mt-4 border-t border-line pt-4"><AddressForm base={base.name} onDone={() => setOpen(null)} /></div>}
      {open === "questions" && <div className="mt-4 border-t border-line pt-4"><QuestionsForm base={base.name} onDone={() => setOpen(null)} /></div>}
      <QueueList items={items} queue={queue} />
      <ColumnsDialog base={base} file={table} onClose={() => setTable(null)}
        onSend={(file, columns) => { setTable(null); queue.add([file], columns ? { columns } : {}); }} />
    </section>
  );
}
