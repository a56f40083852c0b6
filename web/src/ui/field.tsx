// A labelled input with its hint and its error, wired for assistive technology.
import { useId } from "react";
import type { InputHTMLAttributes, Ref } from "react";

export const INPUT =
  "w-full rounded-lg border border-line dark:border-faint/45 bg-raised px-3 min-h-10 text-base text-ink placeholder:text-faint focus-visible:border-brass focus-visible:outline-offset-0";

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  ref?: Ref<HTMLInputElement>;
}

export function Field({ label, hint, error, className = "", ...rest }: FieldProps) {
  const id = useId();
  const described = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div className={className}>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">{label}</label>
      <input id={id} className={INPUT} aria-invalid={error ? true : undefined} aria-describedby={described || undefined} {...rest} />
      {hint && <p id={`${id}-hint`} className="mt-1 text-sm text-faint">{hint}</p>}
      {error && <p id={`${id}-error`} className="mt-1 text-sm text-seal">{error}</p>}
    </div>
  );
}
