// Questions with their standard answers, written by hand: a new document of them, or more for one that is there.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery, documentAddress, documentNamedQuery } from "@/api/knowledge";
import { removals } from "@/api/removals";
import { Button, IconButton } from "@/ui/button";
import { Field, INPUT } from "@/ui/field";
import { Cross, Plus } from "@/ui/icons";
import { ProblemNotice } from "@/ui/problem-notice";
import { useSettled } from "@/ui/use-settled";

interface Pair {
  key: number;
  question: string;
  answer: string;
}

interface QuestionsFormProps {
  base: string;
  onDone: () => void;
}

export function QuestionsForm({ base, onDone }: QuestionsFormProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [name, setName] = useState<string>(() => t("knowledge.questions_name"));
  const [pairs, setPairs] = useState<Pair[]>([{ key: 0, question: "", answer: "" }]);
  const [tried, setTried] = useState(false);
  const filled = pairs.filter((pair) => pair.question.trim() !== "" || pair.answer.trim() !== "");
  const complete = filled.length > 0 && filled.every((pair) => pair.question.trim() !== "" && pair.answer.trim() !== "");
  const called = useSettled(name.trim());
  // The server keeps records as a JSON file.
  const named = (name: string) => documentNamedQuery(base, [name, `${name}.json`]);
  const known = useQuery({ ...named(called), enabled: called !== "" }).data;
  const save = useMutation({
    mutationFn: async () => {
      await removals.settle();
      const present = await queries.fetchQuery({ ...named(name.trim()), staleTime: 0 });
      const said = filled.map(({ question, answer }) => ({ question: question.trim(), answer: answer.trim() }));
      if (!present) return request<unknown>(baseAddress(base, "documents"), { method: "POST", body: { name: name.trim(), records: said } });
      // A document of this name would be replaced as a whole; these are to stand beside what it has.
      for (const { question, answer } of said) await request<unknown>(documentAddress(base, present.id, "chunks"), { method: "POST", body: { text: question, answer } });
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: baseQuery(base).queryKey });
      onDone();
    },
  });
  const change = (key: number, next: Partial<Pair>) => setPairs(pairs.map((pair) => (pair.key === key ? { ...pair, ...next } : pair)));
  return (
    <form noValidate data-testid="add-questions" className="space-y-4" onChange={() => { if (!save.isPending) save.reset(); }}
      onSubmit={(event) => { event.preventDefault(); setTried(true); if (complete && name.trim()) save.mutate(); }}>
      <Field label={t("knowledge.document_name")} value={name} hint={known ? t("knowledge.questions_join", { count: known.records }) : t("knowledge.questions_new")} onChange={(event) => setName(event.target.value)} />
      <ol className="space-y-3">
        {pairs.map((pair, index) => {
          const halfDone = tried && (pair.question.trim() === "") !== (pair.answer.trim() === "");
          return (
            <li key={pair.key} role="group" aria-label={t("knowledge.pair", { number: index + 1 })} className="rounded-xl border border-line bg-paper p-3">
              <div className="flex items-start gap-2">
                <label className="min-w-0 flex-1">
                  <span className="mb-1 block text-sm text-quiet">{t("knowledge.question")}</span>
                  <textarea rows={1} placeholder={t("knowledge.question_example")} className={`${INPUT} py-2`} autoFocus={index > 0} value={pair.question} onChange={(event) => change(pair.key, { question: event.target.value })} />
                </label>
                {pairs.length > 1 && <IconButton label={t("knowledge.pair_remove", { number: index + 1 })} onClick={() => setPairs(pairs.filter((one) => one !== pair))}><Cross /></IconButton>}
              </div>
              <label className="mt-2 block">
                <span className="mb-1 block text-sm text-quiet">{t("knowledge.answer")}</span>
                <textarea rows={2} placeholder={t("knowledge.answer_example")} className={`${INPUT} py-2`} value={pair.answer} onChange={(event) => change(pair.key, { answer: event.target.value })} />
              </label>
              {halfDone && <p className="mt-1 text-sm text-seal">{t("knowledge.pair_half")}</p>}
            </li>
          );
        })}
      </ol>
      <Button onClick={() => setPairs([...pairs, { key: Math.max(0, ...pairs.map((pair) => pair.key)) + 1, question: "", answer: "" }])}><Plus />{t("knowledge.pair_add")}</Button>
      {tried && filled.length === 0 && <p className="text-sm text-seal">{t("knowledge.pair_none")}</p>}
      {save.error && <ProblemNotice problem={asProblem(save.error)} />}
      <div className="flex gap-2">
        <Button type="submit" weight="primary" disabled={save.isPending}>{save.isPending ? t("knowledge.adding") : t("knowledge.questions_save")}</Button>
        <Button onClick={onDone}>{t("common.cancel")}</Button>
      </div>
    </form>
  );
}
