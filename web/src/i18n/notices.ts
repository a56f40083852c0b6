// What the server tells of a file or a search, in the reader's language. It sends English words with a code and the values in
// them; a sentence that is not here is said in those words.
import chinese from "./notices.zh-CN.json";

export interface Notice {
  code?: string | undefined;
  message: string;
  /** By the names in the sentence: text, a number, or another notice. */
  values?: Record<string, unknown> | null | undefined;
}

const SENTENCES: Record<string, Record<string, string>> = { "zh-CN": chinese };

export function sayNotice(language: string, { code, message, values }: Notice): string {
  const sentence = SENTENCES[language]?.[code ?? ""];
  if (!sentence) return message;
  return sentence.replace(/\{\{(\w+)\}\}/g, (_, name: string) => sayValue(language, values?.[name]));
}

function sayValue(language: string, value: unknown): string {
  const isNotice = typeof value === "object" && value !== null && "message" in value;
  return isNotice ? sayNotice(language, value as Notice) : String(value ?? "");
}
