// Buttons and links that look like buttons, in three weights.
import type { ButtonHTMLAttributes, Ref } from "react";

const BASE =
  "inline-flex items-center justify-center gap-2 rounded-lg font-medium transition-colors select-none disabled:opacity-55 whitespace-nowrap";
const WEIGHT = {
  primary: "bg-lacquer text-on-lacquer hover:bg-lacquer/88 px-4 min-h-10 text-[0.94rem]",
  plain: "border border-line bg-raised hover:border-brass hover:bg-brass-wash/50 px-3.5 min-h-10 text-[0.94rem]",
  bare: "hover:bg-wash text-quiet hover:text-ink px-2 min-h-9 text-sm",
  danger: "bg-seal text-paper hover:bg-seal/88 px-4 min-h-10 text-[0.94rem]",
} as const;
export type Weight = keyof typeof WEIGHT;

export function buttonClass(weight: Weight = "plain", extra = ""): string {
  return `${BASE} ${WEIGHT[weight]} ${extra}`;
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  weight?: Weight;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ weight = "plain", className = "", type = "button", ...rest }: ButtonProps) {
  return <button type={type} className={buttonClass(weight, className)} {...rest} />;
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  ref?: Ref<HTMLButtonElement>;
}

/** A button that shows only a drawing; its label is for assistive technology and the tooltip. */
export function IconButton({ label, className = "", type = "button", ...rest }: IconButtonProps) {
  return (
    <button type={type} aria-label={label} title={label}
      className={`inline-flex size-9 shrink-0 items-center justify-center rounded-lg text-quiet transition-colors hover:bg-wash hover:text-ink disabled:opacity-50 ${className}`}
      {...rest} />
  );
}
