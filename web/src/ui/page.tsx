// The frame of an ordinary page, its heading, and what stands there when there is nothing.
import type { ReactNode } from "react";
import { useEffect } from "react";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Parlour` : "Parlour";
  }, [title]);
}

export function Page({ title, intro, children, wide = false }: { title: string; intro?: string; children: ReactNode; wide?: boolean }) {
  useTitle(title);
  return (
    <div className={`mx-auto w-full px-4 py-8 sm:px-6 sm:py-12 ${wide ? "max-w-6xl" : "max-w-4xl"}`}>
      <h1 className="font-display text-3xl font-semibold tracking-tight sm:text-4xl">{title}</h1>
      {intro && <p className="mt-2 text-lg text-quiet">{intro}</p>}
      <div className="mt-8">{children}</div>
    </div>
  );
}

export function EmptyState({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="rounded-2xl border border-line bg-raised shadow-desk px-6 py-10 text-center">
      <h2 className="font-display text-xl font-semibold">{title}</h2>
      <div className="mx-auto mt-2 max-w-prose space-y-3 text-quiet">{children}</div>
    </div>
  );
}

export function Loading({ label }: { label: string }) {
  return (
    <div role="status" className="flex items-center gap-3 py-10 text-quiet">
      <span className="size-2 animate-lamp rounded-full bg-brass" />{label}
    </div>
  );
}
