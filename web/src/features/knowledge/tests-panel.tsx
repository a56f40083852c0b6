// Saved questions with what they should find, how the last run went, and how the one before it did.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, testsQuery } from "@/api/knowledge";
import type { Expected, RetrievalTest, TestCase, TestReport } from "@/api/knowledge";
import { bodyOf } from "@/api/retrieval-settings";
import type { RetrievalSettings } from "@/api/retrieval-settings";
import { millis } from "@/api/run-progress";
import { sayNotice } from "@/i18n/notices";
import { Button, IconButton } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Trash } from "@/ui/icons";
import { Loading } from "@/ui/page";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { formatMoment } from "@/ui/time";
import { directionOf, sayFigure, sayShare } from "./compare";

interface TestsPanelProps {
  base: string;
  settings: RetrievalSettings;
  onShow: (test: RetrievalTest) => void;
}

export function TestsPanel({ base, settings, onShow }: TestsPanelProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const tests = useQuery(testsQuery(base));
  const run = useMutation({
    // The filter belongs to the question that is being asked; each test has its own.
    mutationFn: () => request<TestReport>(baseAddress(base, "tests", "run"), { method: "POST", body: bodyOf({ ...settings, filter: null }) }),
    onSuccess: (last) => {
      queries.setQueryData(testsQuery(base).queryKey, (known) => (known ? { ...known, last } : known));
    },
  });
  const items = tests.data?.items ?? [];
  const last = tests.data?.last ?? null;
  return (
    <Panel title={t("knowledge.tests")} text={tests.isSuccess && items.length === 0 ? t("knowledge.tests_none") : t("knowledge.tests_text")}>
      {tests.isPending && <Loading label={t("common.loading")} />}
      {tests.isError && !tests.data && <ProblemNotice problem={asProblem(tests.error)} onRetry={() => void tests.refetch()} />}
      {items.length > 0 && (
        <>
          <Button weight="primary" data-testid="run-tests" disabled={run.isPending} onClick={() => run.mutate()}>{run.isPending ? t("knowledge.tests_running") : t("knowledge.tests_run", { count: items.length })}</Button>
          {run.error && <div className="mt-4"><ProblemNotice problem={asProblem(run.error)} /></div>}
          {last && <Figures report={last} />}
          <ul className="mt-5 divide-y divide-line overflow-hidden rounded-xl border border-line">
            {items.map((test) => <li key={test.id}><Row base={base} test={test} result={last?.cases.find((one) => one.id === test.id)} onShow={() => onShow(test)} /></li>)}
          </ul>
        </>
      )}
    </Panel>
  );
}

function Figures({ report }: { report: TestReport }) {
  const { t, i18n } = useTranslation();
  const { before, settings } = report;
  const how = [
    ...(typeof settings?.["mode"] === "string" ? [t(`knowledge.mode_${settings["mode"] as "hybrid"}`, { defaultValue: settings["mode"] })] : []),
    ...(typeof settings?.["top_k"] === "number" ? [t("knowledge.first_k", { count: settings["top_k"] })] : []),
    ...(settings?.["rerank"] === true ? [t("knowledge.rerank")] : []),
  ].join(" · ");
  return (
    <div data-testid="figures" aria-live="polite" className="mt-5">
      <dl className="grid gap-3 sm:grid-cols-2">
        <Figure name={t("knowledge.recall")} about={t("knowledge.recall_text")} now={report.recall} before={before?.recall ?? null} say={sayShare} digits={3} />
        <Figure name={t("knowledge.mrr")} about={t("knowledge.mrr_text")} now={report.mrr} before={before?.mrr ?? null} say={sayFigure} digits={3} />
      </dl>
      <p className="mt-2 text-sm text-faint">
        {t("knowledge.run_at", { moment: formatMoment(millis(report.at), i18n.language) })}{how && ` · ${how}`}{before && ` · ${t("knowledge.before_at", { moment: formatMoment(millis(before.at), i18n.language) })}`}
      </p>
    </div>
  );
}

interface FigureProps {
  name: string;
  about: string;
  now: number;
  before: number | null;
  say: (value: number, language: string) => string;
  digits: number;
}

const LOOK = { better: "text-lacquer dark:text-[#8fcdb7]", worse: "text-seal", same: "text-faint" } as const;
const SIGN = { better: "▲", worse: "▼", same: "=" } as const;

function Figure({ name, about, now, before, say, digits }: FigureProps) {
  const { t, i18n } = useTranslation();
  const direction = before === null ? null : directionOf(now, before, digits);
  return (
    <div className="rounded-xl border border-line bg-paper px-4 py-3">
      <dt className="text-sm text-quiet" title={about}>{name}</dt>
      <dd className="mt-0.5 flex flex-wrap items-baseline gap-x-3">
        <span className="font-display text-2xl font-semibold tabular-nums">{say(now, i18n.language)}</span>
        {before !== null && direction && (
          <span className={`text-sm tabular-nums ${LOOK[direction]}`}><span aria-hidden="true">{SIGN[direction]} </span>{t(`knowledge.${direction}`, { before: say(before, i18n.language) })}</span>
        )}
      </dd>
      <dd className="mt-0.5 text-xs text-faint">{about}</dd>
    </div>
  );
}

interface RowProps {
  base: string;
  test: RetrievalTest;
  result: TestCase | undefined;
  onShow: () => void;
}

function Row({ base, test, result, onShow }: RowProps) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const [deleting, setDeleting] = useState(false);
  const remove = useMutation({
    mutationFn: () => request<void>(baseAddress(base, "tests", test.id), { method: "DELETE" }),
    onSuccess: () => queries.invalidateQueries({ queryKey: testsQuery(base).queryKey }),
  });
  return (
    <div data-testid="saved-test" className="flex items-start gap-2 bg-paper px-4 py-3">
      <div className="min-w-0 flex-1">
        <button type="button" className="text-start font-medium break-words underline-offset-4 hover:underline" onClick={onShow}>{test.query}</button>
        <ul className="mt-1 space-y-0.5 text-sm">
          {test.expected.map((one, index) => <li key={index} className="flex flex-wrap gap-x-3"><Found rank={result ? (result.found[index] ?? null) : undefined} /><span className="min-w-0 flex-1 basis-40 text-quiet"><ExpectedWords expected={one} /></span></li>)}
        </ul>
        {result && (
          <p className="mt-1 text-xs text-faint tabular-nums">
            {t("knowledge.recall")} {sayShare(result.recall, i18n.language)} · {t("knowledge.reciprocal_rank")} {sayFigure(result.reciprocal_rank, i18n.language)}
            {result.reason && ` · ${result.reasons?.map((one) => sayNotice(i18n.language, one)).join(" · ") || result.reason}`}
            {!result.reason && result.status !== "ok" && ` · ${t(`knowledge.status_${result.status as "empty"}`, { defaultValue: result.status })}`}
          </p>
        )}
        {remove.error && <div className="mt-2"><ProblemNotice problem={asProblem(remove.error)} /></div>}
      </div>
      <IconButton label={t("knowledge.test_delete_named", { query: test.query })} disabled={remove.isPending} onClick={() => setDeleting(true)}><Trash /></IconButton>
      <Confirm open={deleting} onClose={() => setDeleting(false)} title={t("knowledge.delete_test_title")} text={test.query} action={t("common.delete")} onConfirm={() => remove.mutate()} />
    </div>
  );
}

function ExpectedWords({ expected }: { expected: Expected }) {
  const { t } = useTranslation();
  const where = expected.contains ? t("knowledge.expected_contains", { words: expected.contains }) : typeof expected.ordinal === "number" ? t("knowledge.expected_ordinal", { number: expected.ordinal }) : "";
  return <><span className="wrap-anywhere text-ink">{expected.document}</span>{where && <span className="break-words"> · {where}</span>}</>;
}

/** Undefined before the first run. */
function Found({ rank }: { rank: number | null | undefined }) {
  const { t } = useTranslation();
  const look = rank === undefined ? "text-faint" : rank === null ? "text-seal" : "text-lacquer dark:text-[#8fcdb7]";
  return <span className={`w-20 shrink-0 tabular-nums ${look}`}>{rank === undefined ? t("knowledge.not_run") : rank === null ? t("knowledge.not_found") : t("knowledge.found_at", { rank })}</span>;
}
