// A list of words, each with a way to take it out: typed one by one, or many pasted at once. By keyboard: Enter or a comma
// ends a word, Backspace or ← in the empty line goes to the last one, ← and → go on, Delete takes out.
import { useId, useRef, useState } from "react";
import type { KeyboardEvent, RefObject } from "react";
import { useTranslation } from "react-i18next";
import { Cross } from "./icons";
import { addTags, endsTag, someOf } from "./tags";

interface TagInputProps {
  label: string;
  hint?: string | undefined;
  placeholder?: string | undefined;
  tags: readonly string[];
  onChange: (tags: string[]) => void;
  /** Whether a word cannot be kept, which `error` explains. */
  isWrong?: (tag: string) => boolean;
  error?: string | undefined;
  autoFocus?: boolean;
}

export function TagInput({ label, hint, placeholder, tags, onChange, isWrong, error, autoFocus = false }: TagInputProps) {
  const { t } = useTranslation();
  const id = useId();
  const list = useRef<HTMLUListElement>(null);
  const line = useRef<HTMLInputElement>(null);
  const [twice, setTwice] = useState<string[]>([]);
  const take = (text: string) => {
    const added = addTags(tags, text);
    setTwice(added.twice);
    if (added.tags.length > tags.length) onChange(added.tags);
  };
  /** Behind the last there is the line to write in. */
  const focusOn = (at: number) => (list.current?.querySelectorAll<HTMLElement>("[data-tag] button")[at] ?? line.current)?.focus();
  const remove = (at: number) => {
    setTwice([]);
    onChange(tags.filter((_, index) => index !== at));
  };
  const onTag = (event: KeyboardEvent, at: number) => {
    const { key } = event;
    if (key === "ArrowLeft") focusOn(Math.max(0, at - 1));
    else if (key === "ArrowRight") focusOn(at + 1);
    else if (key === "Home") focusOn(0);
    else if (key === "End" || key === "Escape") line.current?.focus();
    else if (key === "Delete" || key === "Backspace") {
      focusOn(at + 1);
      remove(at);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const described = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">{label}</label>
      <ul ref={list} className="flex max-h-64 cursor-text flex-wrap items-center gap-1.5 overflow-auto rounded-lg border border-line bg-raised px-1.5 py-1 focus-within:border-brass dark:border-faint/45"
        onClick={(event) => { if (event.target === event.currentTarget) line.current?.focus(); }}>
        {tags.map((tag, at) => (
          <li key={tag} data-tag={tag} className={`inline-flex max-w-full items-center rounded-md ps-2 ${isWrong?.(tag) ? "bg-seal-wash text-seal" : "bg-wash"}`}>
            <span className="min-w-0 truncate" title={tag}>{tag}</span>
            <button type="button" tabIndex={-1} aria-label={t("form.tag_remove", { tag })} className="inline-flex size-7 shrink-0 items-center justify-center rounded-md text-sm text-quiet hover:text-ink focus-visible:outline-offset-0"
              onClick={() => { line.current?.focus(); remove(at); }} onKeyDown={(event) => onTag(event, at)}><Cross /></button>
          </li>
        ))}
        <li className="min-w-32 flex-1">
          <Line id={id} ref={line} described={described} invalid={error !== undefined} autoFocus={autoFocus} placeholder={tags.length === 0 ? placeholder : undefined} onTake={take} onBack={() => focusOn(tags.length - 1)} />
        </li>
      </ul>
      {hint && <p id={`${id}-hint`} className="mt-1 text-sm text-faint">{hint}</p>}
      <p role="status" className="text-sm text-brass-ink">{twice.length > 0 ? t("form.tags_twice", { tags: someOf(twice) }) : ""}</p>
      {error && <p id={`${id}-error`} className="mt-1 text-sm text-seal">{error}</p>}
    </div>
  );
}

interface LineProps {
  id: string;
  ref: RefObject<HTMLInputElement | null>;
  described: string;
  invalid: boolean;
  autoFocus: boolean;
  placeholder: string | undefined;
  onTake: (text: string) => void;
  /** To the word before. */
  onBack: () => void;
}

/** Apart from the list, which may have thousands of words and must not be drawn anew for every letter. */
function Line({ id, ref, described, invalid, autoFocus, placeholder, onTake, onBack }: LineProps) {
  const [typed, setTyped] = useState("");
  const take = (text: string) => {
    setTyped("");
    onTake(text);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    // Enter, while Chinese is typed, chooses characters.
    if (event.nativeEvent.isComposing) return;
    const { selectionStart, selectionEnd } = event.currentTarget;
    if (event.key === "Enter" && typed.trim() !== "") take(typed);
    else if (selectionStart === 0 && selectionEnd === 0 && (event.key === "ArrowLeft" || event.key === "Backspace")) onBack();
    else return;
    event.preventDefault();
  };
  return (
    <input ref={ref} id={id} autoFocus={autoFocus} autoComplete="off" autoCapitalize="none" enterKeyHint="done" className="min-h-8 w-full bg-transparent px-1.5 outline-none placeholder:text-faint" placeholder={placeholder}
      aria-describedby={described || undefined} aria-invalid={invalid ? true : undefined} value={typed}
      onChange={(event) => {
        const { value } = event.target;
        const composing = event.nativeEvent instanceof InputEvent && event.nativeEvent.isComposing;
        if (!composing && endsTag(value)) take(value);
        else setTyped(value);
      }}
      // The end of a composition brings no change of its own.
      onCompositionEnd={(event) => { if (endsTag(event.currentTarget.value)) take(event.currentTarget.value); }}
      onPaste={(event) => {
        const text = event.clipboardData.getData("text");
        if (!endsTag(text)) return;
        event.preventDefault();
        take(`${typed}\n${text}`);
      }}
      onBlur={() => { if (typed.trim() !== "") take(typed); }} onKeyDown={onKeyDown} />
  );
}
