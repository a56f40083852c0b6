// What is done with a document more rarely.
import * as Dropdown from "@radix-ui/react-dropdown-menu";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { documentAddress, isWorkedOn } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";
import { Dots } from "@/ui/icons";

const ITEM = "flex cursor-pointer items-center rounded-md px-3 py-2 text-sm outline-none data-[disabled]:opacity-50 data-[highlighted]:bg-wash";

interface DocumentMenuProps {
  base: string;
  document: KnowledgeDocument;
  onReplace: () => void;
  onAbout: () => void;
  onReadAgain: () => void;
  onDelete: () => void;
}

export function DocumentMenu({ base, document, onReplace, onAbout, onReadAgain, onDelete }: DocumentMenuProps) {
  const { t } = useTranslation();
  const trigger = useRef<HTMLButtonElement>(null);
  const chosen = useRef<(() => void) | null>(null);
  // A dialog gives the focus back to what had it when it opened; that has to be the button, and not an entry of a menu that
  // is gone by then. So what was chosen is done when the menu has closed.
  const closed = (event: Event) => {
    event.preventDefault();
    trigger.current?.focus();
    chosen.current?.();
    chosen.current = null;
  };
  return (
    <Dropdown.Root modal={false}>
      <Dropdown.Trigger ref={trigger} data-testid="document-menu" aria-label={t("knowledge.document_more", { name: document.name })}
        className="inline-flex size-9 shrink-0 items-center justify-center rounded-lg text-quiet hover:bg-wash hover:text-ink"><Dots /></Dropdown.Trigger>
      <Dropdown.Portal>
        <Dropdown.Content align="end" sideOffset={4} onCloseAutoFocus={closed} className="z-50 min-w-48 rounded-xl border border-line bg-raised p-1.5 text-ink shadow-desk">
          <Dropdown.Item className={ITEM} onSelect={() => { chosen.current = onAbout; }}>{t("knowledge.about_edit")}</Dropdown.Item>
          <Dropdown.Item className={ITEM} onSelect={() => { chosen.current = onReplace; }}>{t(document.source ? "knowledge.fetch_again" : "knowledge.replace")}</Dropdown.Item>
          <Dropdown.Item className={ITEM} disabled={isWorkedOn(document)} onSelect={() => { chosen.current = onReadAgain; }}>{t("knowledge.read_again")}</Dropdown.Item>
          <Dropdown.Item className={ITEM} asChild><a href={documentAddress(base, document.id, "file")} download={document.name}>{t("knowledge.download")}</a></Dropdown.Item>
          <Dropdown.Separator className="my-1 h-px bg-line" />
          <Dropdown.Item className={`${ITEM} text-seal`} onSelect={() => { chosen.current = onDelete; }}>{t("common.delete")}</Dropdown.Item>
        </Dropdown.Content>
      </Dropdown.Portal>
    </Dropdown.Root>
  );
}
