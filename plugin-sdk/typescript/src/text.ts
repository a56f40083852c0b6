// A text in the two languages that everything in Parlour speaks.

/** The same text in English and in Chinese; one text alone stands for both. */
export type Text = string | { en: string; zh: string };

export function bothLanguages(text: Text): { en: string; zh: string } {
  return typeof text === "string" ? { en: text, zh: text } : { en: text.en, zh: text.zh };
}

/** The description of a field in a schema: `Type.Integer({ minimum: 1, ...about("How many pay", "几个人付") })`. */
export function about(en: string, zh?: string): { description: string; "x-description"?: { zh: string } } {
  return zh === undefined ? { description: en } : { description: en, "x-description": { zh } };
}
