// What a plugin asks for beyond what it asked for when somebody last looked. Pure.
import type { TFunction } from "i18next";
import type { Permissions } from "@/api/plugins";
import { formatBytes } from "@/ui/size";
import { asksOf, sayAsk } from "./permissions";
import type { Ask } from "./permissions";

export type Change =
  | { what: "new"; ask: Ask }
  | { what: "methods"; ask: Ask; methods: string[] }
  | { what: "more"; ask: Ask; from: number; to: number };

/** What the later version asks for and the earlier one did not. What it no longer asks for needs no decision. */
export function changesBetween(before: Permissions, after: Permissions): Change[] {
  const known = new Map(asksOf(before).map((ask) => [ask.key, ask]));
  return asksOf(after).flatMap((ask): Change[] => {
    const old = known.get(ask.key);
    if (!old) return [{ what: "new", ask }];
    if (ask.kind === "http" && old.kind === "http") {
      const methods = ask.methods.filter((method) => !old.methods.includes(method));
      return methods.length > 0 ? [{ what: "methods", ask, methods }] : [];
    }
    if (ask.kind === "model" && old.kind === "model" && ask.tokens > old.tokens) return [{ what: "more", ask, from: old.tokens, to: ask.tokens }];
    if (ask.kind === "storage" && old.kind === "storage" && ask.bytes > old.bytes) return [{ what: "more", ask, from: old.bytes, to: ask.bytes }];
    return [];
  });
}

export function sayChange(t: TFunction, language: string, change: Change, config: Record<string, unknown>): string {
  const { title } = sayAsk(t, language, change.ask, config);
  const number = (value: number) => (change.ask.kind === "storage" ? formatBytes(value, language) : value.toLocaleString(language));
  switch (change.what) {
    case "new":
      return title;
    case "methods":
      return t("plugins.change_methods", { title, methods: change.methods.join(", ") });
    case "more":
      return change.ask.kind === "storage"
        ? t("plugins.change_storage", { from: number(change.from), to: number(change.to) })
        : t("plugins.change_tokens", { title, from: number(change.from), to: number(change.to) });
  }
}
