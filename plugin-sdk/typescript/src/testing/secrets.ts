// Secrets as the server treats them: a placeholder for the plugin, the value in what goes out, a mask in what comes back.

import { refusal } from "./refusal.ts";
import type { State } from "./state.ts";

const MASKED = "[secret]";
/** Shorter ones would be found by chance. */
const LEAST_MASKED_BYTES = 4;

export const placeholderOf = (key: string) => `{{secret:${key}}}`;

/** As the other side may repeat it: plain, in an address, in small letters. */
function forms(value: string): string[] {
  return [value, encodeURIComponent(value), value.toLowerCase()];
}

/** The text with its placeholders replaced; `escaped` writes a value as its place wants it. What was used goes into `used`. */
export function filled(state: State, text: string, used: string[], escaped: (value: string) => string): string {
  return text.replace(/\{\{secret:(.*?)\}\}/g, (_, key: string) => {
    const value = state.config.get(key);
    if (typeof value !== "string" || value === "") throw refusal("failed", `the setting \`${key}\` is not filled in`);
    used.push(value);
    return escaped(value);
  });
}

/** What comes back without the secrets that went out. */
export function masked(text: string, used: string[]): string {
  const long = used.filter((it) => Buffer.byteLength(it) >= LEAST_MASKED_BYTES).flatMap(forms);
  long.sort((one, other) => other.length - one.length);
  return long.reduce((rest, form) => rest.replaceAll(form, MASKED), text);
}

/** A body that is no text is masked as a whole, because its places cannot be told from the bytes around them. */
export function maskedBytes(body: Buffer, used: string[]): Buffer {
  const text = body.toString("utf8");
  if (Buffer.from(text, "utf8").equals(body)) return Buffer.from(masked(text, used), "utf8");
  const binary = body.toString("latin1");
  return masked(binary, used) === binary ? body : Buffer.from(MASKED);
}

/** The secrets whose values the plugin has seen, with the text that had them. */
export function leaks(state: State): string[] {
  const values = [...state.config].filter(([key, value]) => state.isSecret(key) && typeof value === "string");
  return state.crossed.flatMap((text) =>
    values
      .filter(([, value]) => forms(value as string).some((form) => text.includes(form)))
      .map(([key]) => `\`${key}\` in: ${text}`),
  );
}
