// The workflows, each with a form for its inputs; running one opens its run.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { workflowQuery, workflowsQuery } from "@/api/queries";
import { startWorkflow } from "@/api/start-workflow";
import type { JsonSchema, WorkflowSummary } from "@/api/types";
import { Button } from "@/ui/button";
import { CodeBlock } from "@/ui/code-block";
import { INPUT } from "@/ui/field";
import { Chevron } from "@/ui/icons";
import { EmptyState, Loading, Page } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { fieldsOf, initialText, readText } from "./schema-form";
import type { FormField } from "./schema-form";

export function WorkflowsPage() {
  const { t } = useTranslation();
  const workflows = useQuery(workflowsQuery);
  return (
    <Page title={t("nav.workflows")} intro={t("workflows.intro")}>
      {workflows.isPending && <Loading label={t("common.loading")} />}
      {workflows.isError && <ProblemNotice problem={asProblem(workflows.error)} onRetry={() => void workflows.refetch()} />}
      {workflows.isSuccess && workflows.data.length === 0 && (
        <EmptyState title={t("workflows.empty_title")}>
          <p>{t("workflows.empty_text")}</p>
          <CodeBlock text="parlour serve --project DIR" />
        </EmptyState>
      )}
      <ul className="space-y-3">
        {workflows.data?.map((workflow) => <li key={workflow.name}><Entry workflow={workflow} /></li>)}
      </ul>
    </Page>
  );
}

function Entry({ workflow }: { workflow: WorkflowSummary }) {
  const [open, setOpen] = useState(false);
  return (
    <article data-testid="workflow" className="overflow-hidden rounded-2xl border border-line bg-raised shadow-desk">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex w-full items-center gap-4 px-5 py-4 text-start -outline-offset-2 hover:bg-wash/60">
        <span className="min-w-0 flex-1">
          <span className="flex flex-wrap items-baseline gap-x-3">
            <span className="font-display text-lg font-semibold">{workflow.title || workflow.name}</span>
            <span className="font-mono text-xs text-faint">{workflow.name}</span>
          </span>
          {workflow.description && <span className="mt-0.5 block text-quiet">{workflow.description}</span>}
        </span>
        <Chevron className={`size-5 shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
      </button>
      {open && <Body name={workflow.name} />}
    </article>
  );
}

function Body({ name }: { name: string }) {
  const { t } = useTranslation();
  const workflow = useQuery(workflowQuery(name));
  return (
    <div className="border-t border-line bg-paper px-5 py-5">
      {workflow.isPending && <Loading label={t("common.loading")} />}
      {workflow.isError && <ProblemNotice problem={asProblem(workflow.error)} onRetry={() => void workflow.refetch()} />}
      {workflow.data && <RunForm name={name} inputs={workflow.data.inputs} outputs={workflow.data.outputs ?? []} />}
    </div>
  );
}

function RunForm({ name, inputs, outputs }: { name: string; inputs: JsonSchema | null | undefined; outputs: string[] }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const fields = fieldsOf(inputs);
  const [texts, setTexts] = useState<Record<string, string>>(() => Object.fromEntries(fields.map((field) => [field.name, initialText(field)])));
  const [tried, setTried] = useState(false);
  const start = useMutation({
    mutationFn: (values: Record<string, unknown>) => startWorkflow(name, values),
    onSuccess: (run) => navigate({ to: "/runs/$run", params: { run } }),
  });
  const read = fields.map((field) => ({ field, read: readText(field, texts[field.name] ?? "") }));
  const submit = () => {
    setTried(true);
    if (read.some((one) => "error" in one.read)) return;
    start.mutate(Object.fromEntries(read.flatMap((one) => ("value" in one.read && one.read.value !== undefined ? [[one.field.name, one.read.value]] : []))));
  };
  return (
    <form className="space-y-4" noValidate onSubmit={(event) => { event.preventDefault(); submit(); }}>
      {fields.length === 0 && <p className="text-quiet">{t("workflows.no_inputs")}</p>}
      {read.map(({ field, read: result }) => {
        const error = tried && "error" in result ? (result.error === "json" ? t("workflows.bad_json", { reason: result.reason }) : t("workflows.required")) : undefined;
        return <Input key={field.name} field={field} text={texts[field.name] ?? ""} error={error} onChange={(text) => setTexts({ ...texts, [field.name]: text })} />;
      })}
      {start.error && <ProblemNotice problem={asProblem(start.error)} />}
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Button type="submit" weight="primary" disabled={start.isPending}>{start.isPending ? t("workflows.running") : t("workflows.run")}</Button>
        <Link to="/runs" search={{ workflow: name }} className="text-sm underline decoration-brass underline-offset-4">{t("workflows.recent")}</Link>
        {outputs.length > 0 && <span className="text-sm text-faint">{t("workflows.outputs", { list: outputs.join(", ") })}</span>}
      </div>
    </form>
  );
}

interface InputProps {
  field: FormField;
  text: string;
  error: string | undefined;
  onChange: (text: string) => void;
}

function Input({ field, text, error, onChange }: InputProps) {
  const { t } = useTranslation();
  const id = useId();
  const shared = { id, "aria-invalid": error ? true : undefined, "aria-describedby": `${id}-about`, "aria-required": field.required };
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 flex items-baseline gap-2 text-sm font-medium">
        {field.label}
        {field.label !== field.name && <span className="font-mono text-xs font-normal text-faint">{field.name}</span>}
        {!field.required && field.kind !== "boolean" && <span className="text-xs font-normal text-faint">{t("common.optional")}</span>}
      </label>
      {field.kind === "choice" ? (
        <select {...shared} className={INPUT} value={text} onChange={(event) => onChange(event.target.value)}>
          <option value="">{t("workflows.choose")}</option>
          {field.choices.map((choice) => {
            const value = typeof choice === "string" ? choice : JSON.stringify(choice);
            return <option key={value} value={value}>{value}</option>;
          })}
        </select>
      ) : field.kind === "boolean" ? (
        <label className="flex min-h-10 items-center gap-3"><input {...shared} type="checkbox" className="size-4 accent-lacquer" checked={text === "true"} onChange={(event) => onChange(String(event.target.checked))} />{t("workflows.yes")}</label>
      ) : field.kind === "json" || field.kind === "long_text" ? (
        <textarea {...shared} rows={4} className={`${INPUT} py-2 ${field.kind === "json" ? "font-mono text-sm" : ""}`} placeholder={field.kind === "json" ? t("workflows.json") : undefined}
          value={text} onChange={(event) => onChange(event.target.value)} />
      ) : (
        <input {...shared} className={INPUT} type={field.kind} value={text} onChange={(event) => onChange(event.target.value)}
          {...(field.kind === "number" ? { step: field.schema.type === "integer" ? 1 : "any", min: field.schema.minimum, max: field.schema.maximum, inputMode: "decimal" as const } : {})} />
      )}
      <p id={`${id}-about`} className={`mt-1 text-sm ${error ? "text-seal" : "text-faint"}`}>{error ?? field.description ?? ""}</p>
    </div>
  );
}
