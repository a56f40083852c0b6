// The workflows, each with a form for its inputs; running one opens its run.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/api/client";
import { workflowQuery, workflowsQuery } from "@/api/queries";
import { startWorkflow } from "@/api/start-workflow";
import type { JsonSchema, WorkflowSummary } from "@/api/types";
import { Button } from "@/ui/button";
import { CodeBlock } from "@/ui/code-block";
import { Chevron } from "@/ui/icons";
import { EmptyState, Loading, Page } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { SchemaFields, useSchemaForm } from "@/ui/schema-fields";
import { TriggerHint, Triggers } from "./triggers";

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
          <TriggerHint workflow={workflow.name} />
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
      <Triggers workflow={name} />
    </div>
  );
}

function RunForm({ name, inputs, outputs }: { name: string; inputs: JsonSchema | null | undefined; outputs: string[] }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const form = useSchemaForm(inputs);
  const start = useMutation({
    mutationFn: (values: Record<string, unknown>) => startWorkflow(name, values),
    onSuccess: (run) => navigate({ to: "/runs/$run", params: { run } }),
  });
  const submit = () => {
    const values = form.read();
    if (values) start.mutate(values);
  };
  return (
    <form className="space-y-4" noValidate onSubmit={(event) => { event.preventDefault(); submit(); }}>
      {form.fields.length === 0 && <p className="text-quiet">{t("workflows.no_inputs")}</p>}
      <SchemaFields form={form} named />
      {start.error && <ProblemNotice problem={asProblem(start.error)} />}
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Button type="submit" weight="primary" disabled={start.isPending}>{start.isPending ? t("workflows.running") : t("workflows.run")}</Button>
        <Link to="/runs" search={{ workflow: name }} className="text-sm underline decoration-brass underline-offset-4">{t("workflows.recent")}</Link>
        {outputs.length > 0 && <span className="text-sm text-faint">{t("workflows.outputs", { list: outputs.join(", ") })}</span>}
      </div>
    </form>
  );
}
