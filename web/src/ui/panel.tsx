// A part of a page of settings: its heading, what it is about, and its content.
import type { ReactNode } from "react";

export const PANEL = "rounded-2xl border border-line bg-raised p-5 shadow-desk sm:p-6";

export function Panel({ title, text, children }: { title: string; text: ReactNode; children: ReactNode }) {
  return (
    <section aria-label={title} className={PANEL}>
      <h2 className="font-display text-xl font-semibold">{title}</h2>
      <p className="mt-1 mb-5 max-w-prose text-quiet last:mb-0">{text}</p>
      {children}
    </section>
  );
}
