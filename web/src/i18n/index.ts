// The two languages of the page. Chinese and English are equal: a test compares their keys, and TypeScript checks every
// key that the code names.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { setApiLanguage } from "@/api/client";
import type { LocalText } from "@/api/types";
import en from "./en.json";
import zh from "./zh-CN.json";

export const LANGUAGES = [
  { tag: "zh-CN", name: "简体中文" },
  { tag: "en", name: "English" },
] as const;
export type Language = (typeof LANGUAGES)[number]["tag"];

/** Also read by public/first-paint.js. */
const STORED = "parlour.language";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

/** The first language of the reader's list that we speak; English when there is none. */
export function chooseLanguage(stored: string | null, wanted: readonly string[]): Language {
  if (stored === "zh-CN" || stored === "en") return stored;
  for (const tag of wanted) {
    const low = tag.toLowerCase();
    if (low.startsWith("zh")) return "zh-CN";
    if (low.startsWith("en")) return "en";
  }
  return "en";
}

export function startI18n(): void {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // Storage can be switched off; the choice then lasts as long as the page.
  }
  const language = chooseLanguage(stored, navigator.languages);
  void i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: "en",
    resources: { en: { translation: en }, "zh-CN": { translation: zh } },
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  apply(language);
}

export function setLanguage(language: Language): void {
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // As above.
  }
  apply(language);
  void i18next.changeLanguage(language);
}

function apply(language: Language): void {
  document.documentElement.lang = language;
  setApiLanguage(language);
}

/** A text that may exist in both languages, in the reader's. */
export function local(text: LocalText | null | undefined, language: string): string {
  if (!text) return "";
  if (typeof text === "string") return text;
  const [first, second] = language.startsWith("zh") ? [text.zh, text.en] : [text.en, text.zh];
  return first || second || "";
}
