// Names that the dictionary does not know, such as those of products: each is a word of its own, so that it is found as one.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { KnowledgeBase } from "@/api/knowledge";
import { Panel } from "@/ui/panel";
import { TagInput } from "@/ui/tag-input";
import { someOf } from "@/ui/tags";
import { SaveRow, useSave } from "./save-row";
import { isWord, MOST_WORDS } from "./own-words";

export function WordsPanel({ base }: { base: KnowledgeBase }) {
  const { t, i18n } = useTranslation();
  /** Null while nothing was touched: the list then follows what the server says. */
  const [touched, setTouched] = useState<string[] | null>(null);
  const words = touched ?? [...new Set(base.words)];
  const save = useSave(base, () => setTouched(null));
  const dirty = touched !== null && JSON.stringify(touched) !== JSON.stringify(base.words);
  const wrong = words.filter((word) => !isWord(word));
  const error = wrong.length > 0
    ? t("knowledge.words_wrong", { words: someOf(wrong) })
    : words.length > MOST_WORDS ? t("knowledge.words_many", { most: MOST_WORDS.toLocaleString(i18n.language) }) : undefined;
  return (
    <Panel title={t("knowledge.words")} text={t("knowledge.words_text")}>
      <form noValidate data-testid="base-words" onSubmit={(event) => { event.preventDefault(); if (error === undefined) save.mutate({ words }); }}>
        <TagInput label={words.length > 0 ? t("knowledge.words_count", { count: words.length, number: words.length.toLocaleString(i18n.language) }) : t("knowledge.words_label")} hint={t("knowledge.words_hint")} placeholder={t("knowledge.words_example")}
          tags={words} isWrong={(word) => !isWord(word)} error={error} onChange={(next) => { if (!save.isPending) save.reset(); setTouched(next); }} />
        {dirty && base.documents > 0 && <p className="mt-3 text-sm text-brass-ink">{t("knowledge.reads_again", { count: base.documents })}</p>}
        <SaveRow save={save} dirty={dirty} disabled={error !== undefined} />
      </form>
    </Panel>
  );
}
