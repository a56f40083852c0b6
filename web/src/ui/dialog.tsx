// Dialogs and drawers on the platform's own <dialog>: the browser keeps the focus inside, makes the rest inert, closes on
// Escape and gives the focus back, without styles injected at run time that a strict content policy would refuse.
import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./button";

interface ModalProps {
  open: boolean;
  onClose: () => void;
  label: string;
  className: string;
  children: ReactNode;
}

function Modal({ open, onClose, label, className, children }: ModalProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    <dialog ref={element} aria-label={label} className={className} onClose={onClose}
      onClick={(event) => {
        // The backdrop belongs to the dialog element itself; its content is a child.
        if (event.target === element.current) onClose();
      }}>
      {open && children}
    </dialog>
  );
}

export function Drawer(props: Omit<ModalProps, "className">) {
  return (
    <Modal {...props}
      className="m-0 h-dvh max-h-none w-[min(20rem,86vw)] max-w-none overflow-hidden border-r border-line bg-paper text-ink shadow-desk backdrop:bg-black/45" />
  );
}

interface ConfirmProps {
  open: boolean;
  title: string;
  text: string;
  action: string;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm({ open, title, text, action, onConfirm, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  return (
    <Modal open={open} onClose={onClose} label={title}
      className="m-auto w-[min(26rem,calc(100vw-2rem))] rounded-2xl border border-line bg-paper p-0 text-ink shadow-desk backdrop:bg-black/45">
      <div className="p-6">
        <h2 className="font-display text-xl font-semibold">{title}</h2>
        <p className="mt-2 text-quiet">{text}</p>
        <div className="mt-6 flex justify-end gap-2">
          <Button onClick={onClose} autoFocus>{t("common.cancel")}</Button>
          <Button weight="danger" onClick={() => { onConfirm(); onClose(); }}>{action}</Button>
        </div>
      </div>
    </Modal>
  );
}
