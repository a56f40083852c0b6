// Who may see a document, and what is known about it beside its text.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseQuery, documentAddress } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { INPUT } from "@/ui/field";
import { Plus, Trash } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";
import { TagInput } from "@/ui/tag-input";
import { metadataOf, pairsOf } from "./metadata";
import type { MetadataPair } from "./metadata";

interface AboutDialogProps {
  base: string;
  document: KnowledgeDocument;
  open: boolean;
  onClose: () => void;
}

export function AboutDialog({ base, document, open, onClose }: AboutDialogProps) {
  return <Dialog open={open} onClose={onClose} title={document.name}>{open && <Form base={base} document={document} onClose={onClose} />}</Dialog>;
}

function Form({ base, document, onClose }: Omit<AboutDialogProps, "open">) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [groups, setGroups] = useState<string[]>(() => [...new Set(document.groups)]);
  const [pairs, setPairs] = useState<MetadataPair[]>(() => pairsOf(document.metadata));
  const save = useMutation({
    mutationFn: () => request<unknown>(documentAddress(base, document.id), { method: "PATCH", body: { groups, metadata: metadataOf(pairs, document.metadata) } }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: baseQuery(base).queryKey });
      onClose();
    },
  });
  const change = (key: number, next: Partial<MetadataPair>) => setPairs(pairs.map((pair) => (pair.key === key ? { ...pair, ...next } : pair)));
  return (
    <form noValidate data-testid="document-about" className="space-y-5" onChange={() => { if (!save.isPending) save.reset(); }} onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
      <TagInput label={t("knowledge.groups")} hint={t("knowledge.groups_hint")} tags={groups} onChange={setGroups} />
      <fieldset>
        <legend className="mb-1.5 text-sm font-medium">{t("knowledge.metadata")}</legend>
        <ul className="space-y-2">
          {pairs.map((pair) => (
            <li key={pair.key} className="flex gap-2">
              <input aria-label={t("knowledge.metadata_name")} placeholder={t("knowledge.metadata_name")} className={`${INPUT} flex-1`} value={pair.name} onChange={(event) => change(pair.key, { name: event.target.value })} />
              <input aria-label={t("knowledge.metadata_value")} placeholder={t("knowledge.metadata_value")} className={`${INPUT} flex-[2]`} value={pair.text} onChange={(event) => change(pair.key, { text: event.target.value })} />
              <IconButton label={t("knowledge.metadata_remove", { name: pair.name })} onClick={() => setPairs(pairs.filter((one) => one !== pair))}><Trash /></IconButton>
            </li>
          ))}
        </ul>
        <Button className="mt-2" onClick={() => setPairs([...pairs, { key: Math.max(0, ...pairs.map((pair) => pair.key)) + 1, name: "", text: "" }])}><Plus />{t("knowledge.metadata_add")}</Button>
        <p className="mt-2 text-sm text-faint">{t("knowledge.metadata_hint")}</p>
      </fieldset>
      {save.error && <ProblemNotice problem={asProblem(save.error)} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button type="submit" weight="primary" disabled={save.isPending}>{t("common.save")}</Button>
      </div>
    </form>
  );
}
