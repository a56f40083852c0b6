// Dialogs and drawers on the platform's own <dialog>: the browser keeps the focus inside, makes the rest inert, closes on
// Escape and gives the focus back, without styles injected at run time that a strict content policy would refuse.
import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button, IconButton } from "./button";
import { Cross } from "./icons";

interface ModalProps {
  open: boolean;
  onClose: () => void;
  label: string;
  className: string;
  children: ReactNode;
}

function Modal({ open, onClose, label, className, children }: ModalProps) {
  const element = useRef<HTMLDialogElement>(null);
  const pressed = useRef<EventTarget>(null);
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    if (open && !dialog.open) {
      dialog.showModal();
      // The browser takes the first thing that can have the focus, which is the cross; who opens a form wants to write.
      dialog.querySelector<HTMLElement>("form :is(input, textarea, select)")?.focus();
    }
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    <dialog ref={element} aria-label={label} className={className} onClose={onClose}
      onPointerDown={(event) => { pressed.current = event.target; }}
      onClick={(event) => {
        // The backdrop belongs to the dialog element itself; its content is a child. Whoever marks a text and lets go
        // outside has not clicked there.
        if (event.target === element.current && pressed.current === element.current) onClose();
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

interface DialogProps {
  open: boolean;
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: ReactNode;
}

/** A form or a table that is worked on apart from the page. */
export function Dialog({ open, title, onClose, wide = false, children }: DialogProps) {
  const { t } = useTranslation();
  return (
    <Modal open={open} onClose={onClose} label={title}
      className={`m-auto max-h-[calc(100dvh-1.5rem)] ${wide ? "w-[min(64rem,calc(100vw-1.5rem))]" : "w-[min(36rem,calc(100vw-1.5rem))]"} max-w-none overflow-y-auto rounded-2xl border border-line bg-paper p-0 text-ink shadow-desk backdrop:bg-black/45`}>
      <div className="p-5 sm:p-6">
        <div className="flex items-start gap-3">
          <h2 className="min-w-0 flex-1 font-display text-xl font-semibold break-words">{title}</h2>
          <IconButton label={t("common.close")} className="-me-2 -mt-1" onClick={onClose}><Cross /></IconButton>
        </div>
        <div className="mt-4">{children}</div>
      </div>
    </Modal>
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
