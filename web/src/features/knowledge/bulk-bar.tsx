// What can be done with the documents that are chosen; each button says with how many of them.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { KnowledgeDocument } from "@/api/knowledge";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { INPUT } from "@/ui/field";
import { TagInput } from "@/ui/tag-input";
import { ACTS, concerned, GROUP_CHANGES } from "./bulk";
import type { GroupChange } from "./bulk";
import type { Bulk } from "./use-bulk";

interface BulkBarProps {
  documents: KnowledgeDocument[];
  bulk: Bulk;
  onDelete: () => void;
}

export function BulkBar({ documents, bulk, onDelete }: BulkBarProps) {
  const { t } = useTranslation();
  const [grouping, setGrouping] = useState(false);
  return (
    <div role="group" aria-label={t("knowledge.chosen", { count: documents.length })} data-testid="bulk" className="flex flex-wrap items-center gap-x-1">
      {ACTS.map((act) => {
        const those = concerned(act, documents);
        return those.length > 0 && <Button key={act} weight="bare" data-act={act} disabled={bulk.isBusy} onClick={() => void bulk.act(act, those)}>{t(`knowledge.act_${act}`, { count: those.length })}</Button>;
      })}
      <Button weight="bare" data-act="groups" disabled={bulk.isBusy} onClick={() => setGrouping(true)}>{t("knowledge.act_groups")}</Button>
      <Button weight="bare" data-act="delete" className="!text-seal" disabled={bulk.isBusy} onClick={onDelete}>{t("common.delete")}</Button>
      <Dialog open={grouping} onClose={() => setGrouping(false)} title={t("knowledge.groups_title", { count: documents.length })}>
        <GroupsForm documents={documents} onClose={() => setGrouping(false)} onSave={(change, groups) => { setGrouping(false); void bulk.setGroups(change, groups, documents); }} />
      </Dialog>
    </div>
  );
}

interface GroupsFormProps {
  documents: KnowledgeDocument[];
  onClose: () => void;
  onSave: (change: GroupChange, groups: string[]) => void;
}

function GroupsForm({ documents, onClose, onSave }: GroupsFormProps) {
  const { t } = useTranslation();
  const [change, setChange] = useState<GroupChange>("add");
  const [groups, setGroups] = useState<string[]>([]);
  const present = [...new Set(documents.flatMap((document) => document.groups))];
  return (
    <form noValidate data-testid="bulk-groups" className="space-y-4" onSubmit={(event) => { event.preventDefault(); onSave(change, groups); }}>
      <p className="text-quiet">{present.length > 0 ? t("knowledge.groups_present", { groups: present.join(" · ") }) : t("knowledge.groups_absent")}</p>
      <select aria-label={t("knowledge.groups_change")} className={INPUT} value={change} onChange={(event) => setChange(event.target.value as GroupChange)}>
        {GROUP_CHANGES.map((one) => <option key={one} value={one}>{t(`knowledge.groups_${one}`)}</option>)}
      </select>
      <TagInput label={t("knowledge.groups")} hint={t(change === "set" ? "knowledge.groups_set_hint" : "knowledge.groups_tags_hint")} tags={groups} onChange={setGroups} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button type="submit" weight="primary" disabled={groups.length === 0 && change !== "set"}>{t("common.save")}</Button>
      </div>
    </form>
  );
}
