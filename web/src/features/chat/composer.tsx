// Where the visitor writes: it grows with the text, keeps a draft, sends on Enter and never while an input method composes.
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { Send, Stop } from "@/ui/icons";
import { sends } from "./keys";

interface ComposerProps {
  /** Drafts are kept by this name while the page is open. */
  draftName: string;
  title: string;
  busy: boolean;
  stopping: boolean;
  onSend: (text: string) => Promise<boolean> | boolean;
  onStop: () => void;
}

export function Composer({ draftName, title, busy, stopping, onSend, onStop }: ComposerProps) {
  const { t } = useTranslation();
  const [text, setText] = useState(() => readDraft(draftName));
  const box = useRef<HTMLTextAreaElement>(null);
  const composing = useRef(false);

  useEffect(() => {
    // A phone's keyboard would cover the page that the reader came to see.
    if (matchMedia("(pointer: fine)").matches) box.current?.focus();
  }, [draftName]);

  useEffect(() => {
    const focus = (event: globalThis.KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const writing = target.matches("input, textarea, select, [contenteditable]");
      if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        box.current?.focus();
      }
    };
    window.addEventListener("keydown", focus);
    return () => window.removeEventListener("keydown", focus);
  }, []);

  useLayoutEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 200)}px`;
  }, [text]);

  const change = (value: string) => {
    setText(value);
    writeDraft(draftName, value);
  };
  const submit = async () => {
    const content = text.trim();
    if (content === "" || busy) return;
    change("");
    if (!(await onSend(content))) change(content);
  };
  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    const native = event.nativeEvent;
    if (event.key === "Escape" && busy && !composing.current && !native.isComposing) onStop();
    if (!sends(native, composing.current)) return;
    event.preventDefault();
    void submit();
  };

  return (
    <form className="counter px-3 pt-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-6 sm:pt-4"
      onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <div className="mx-auto flex max-w-3xl items-end gap-2 rounded-2xl border border-transparent bg-raised p-1.5 ps-4 shadow-desk focus-within:border-brass focus-within:ring-2 focus-within:ring-brass/50">
        <textarea ref={box} rows={1} value={text} enterKeyHint="send" data-testid="composer"
          aria-label={t("chat.message")} placeholder={t("chat.placeholder", { title })}
          className="max-h-[200px] min-h-10 flex-1 resize-none bg-transparent py-2 text-base leading-6 outline-none placeholder:text-faint"
          onChange={(event) => change(event.target.value)} onKeyDown={onKey}
          onCompositionStart={() => { composing.current = true; }} onCompositionEnd={() => { composing.current = false; }} />
        {busy ? (
          <button type="button" data-testid="stop" onClick={onStop} disabled={stopping} aria-label={t("chat.stop")}
            className="inline-flex min-h-10 items-center gap-1.5 rounded-xl bg-brass-wash px-3 font-medium text-brass-ink hover:bg-brass/25 disabled:opacity-60">
            <Stop /><span className="hidden sm:inline">{t("chat.stop")}</span>
          </button>
        ) : (
          <button type="submit" data-testid="send" disabled={text.trim() === ""} aria-label={t("chat.send")}
            className="inline-flex size-10 items-center justify-center rounded-xl bg-lacquer text-on-lacquer transition-colors hover:bg-lacquer/88 disabled:bg-wash disabled:text-faint">
            <Send />
          </button>
        )}
      </div>
      <p className="mx-auto mt-1.5 hidden max-w-3xl text-center text-xs text-on-lacquer/65 sm:block">{t("chat.keys")}</p>
    </form>
  );
}

function readDraft(name: string): string {
  try {
    return sessionStorage.getItem(`parlour.draft.${name}`) ?? "";
  } catch {
    return "";
  }
}

function writeDraft(name: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(`parlour.draft.${name}`);
    else sessionStorage.setItem(`parlour.draft.${name}`, text);
  } catch {
    // Without storage a draft lives as long as the box.
  }
}
