// A plugin's tools, each to be tried by hand: a form from its input schema, the manifest's examples, and what came of it.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { pluginAddress, pluginCallsQuery } from "@/api/plugins";
import type { InstalledPlugin, PluginTool, ToolResult } from "@/api/plugins";
import { local } from "@/i18n";
import { Button } from "@/ui/button";
import { INPUT } from "@/ui/field";
import { Chevron } from "@/ui/icons";
import { JsonView } from "@/ui/json-view";
import { LogLines } from "@/ui/log-lines";
import { Panel } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { SchemaFields, useSchemaForm } from "@/ui/schema-fields";
import { readJson } from "@/ui/schema-form";
import { formatBytes } from "@/ui/size";
import { formatMicros } from "@/ui/time";
import { Words } from "@/ui/words";
import { CallError } from "./call-error";

export function Tools({ plugin }: { plugin: InstalledPlugin }) {
  const { t } = useTranslation();
  const { tools } = plugin.manifest;
  return (
    <Panel title={t("plugins.tools_title")} text={t("plugins.tools_text")}>
      <ul className="divide-y divide-line overflow-hidden rounded-xl border border-line">
        {tools.map((tool) => <li key={tool.name}><Entry plugin={plugin} tool={tool} alone={tools.length === 1} /></li>)}
      </ul>
    </Panel>
  );
}

interface ToolProps {
  plugin: InstalledPlugin;
  tool: PluginTool;
}

function Entry({ plugin, tool, alone }: ToolProps & { alone: boolean }) {
  const { t, i18n } = useTranslation();
  const [open, setOpen] = useState(alone);
  // The server may know more effects than these files.
  const effects = t(`plugins.effects_${(tool.effects ?? "writes") as "none"}`, { defaultValue: tool.effects ?? "" });
  const [first = "", ...more] = local(tool.description, i18n.language).split(/\n{2,}/);
  return (
    <article data-testid="tool" data-tool={tool.name} className="bg-paper">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex w-full items-start gap-3 px-4 py-3.5 text-start -outline-offset-2 hover:bg-wash/60">
        <span className="min-w-0 flex-1">
          <span className="flex flex-wrap items-baseline gap-x-3">
            <span className="font-medium">{local(tool.title, i18n.language) || tool.name}</span>
            <span className="font-mono text-xs break-all text-faint">{tool.name}</span>
          </span>
          <span className="mt-0.5 block text-sm text-quiet"><Words text={first} /></span>
          <span className="mt-1 flex flex-wrap gap-x-3 text-xs text-faint">
            <span className={tool.effects === "none" || tool.effects === "reads" ? "" : "text-brass-ink"}>{effects}</span>
            {!tool.idempotent && <span>{t("plugins.not_repeatable")}</span>}
          </span>
        </span>
        <Chevron className={`mt-1 size-5 shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
      </button>
      {open && (
        <div className="border-t border-line bg-raised px-4 py-4">
          {more.map((paragraph, index) => <p key={index} className="mb-3 max-w-prose text-sm text-quiet"><Words text={paragraph} /></p>)}
          <Try plugin={plugin} tool={tool} />
        </div>
      )}
    </article>
  );
}

/** How long after a call the server has noted it for the list of calls, in milliseconds. */
const NOTED_MS = 500;

function Try({ plugin, tool }: ToolProps) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const form = useSchemaForm(tool.input);
  // What a form has no fields for can only be written.
  const onlyJson = form.fields.length === 0 && tool.input["additionalProperties"] !== false;
  const [json, setJson] = useState<string | null>(onlyJson ? "{}" : null);
  const [wrong, setWrong] = useState("");
  const call = useMutation({
    mutationFn: (input: unknown) => request<ToolResult>(pluginAddress(plugin.id, "tools", tool.name, "call"), { method: "POST", body: { input } }),
    onSettled: () => setTimeout(() => void queries.invalidateQueries({ queryKey: pluginCallsQuery(plugin.id).queryKey }), NOTED_MS),
  });
  const readWritten = (text: string): unknown => {
    const read = readJson(text);
    if ("error" in read) { setWrong(t("form.bad_json", { reason: read.reason })); return null; }
    if (typeof read.value !== "object" || read.value === null || Array.isArray(read.value)) { setWrong(t("plugins.not_object")); return null; }
    setWrong("");
    return read.value;
  };
  const submit = () => {
    const input = json === null ? form.read() : readWritten(json);
    if (input !== null) call.mutate(input);
  };
  const fill = (input: unknown) => {
    setWrong("");
    if (json !== null) setJson(JSON.stringify(input, null, 2));
    else form.fill((input ?? {}) as Record<string, unknown>);
  };
  const turn = () => {
    if (json === null) return setJson(JSON.stringify(form.read() ?? {}, null, 2));
    const input = readWritten(json);
    if (input === null) return;
    form.fill(input as Record<string, unknown>);
    setJson(null);
  };
  return (
    <div className="space-y-4">
      {(tool.examples ?? []).length > 0 && (
        <div>
          <p className="mb-1.5 text-sm text-quiet">{t("plugins.examples")}</p>
          <ul className="flex flex-wrap gap-2">
            {tool.examples?.map((example, index) => (
              <li key={index}>
                <button type="button" data-testid="example" onClick={() => fill(example.input)}
                  className="min-h-9 rounded-full border border-brass/70 bg-raised px-3.5 text-start text-sm transition-colors hover:border-brass hover:bg-brass-wash">{local(example.title, i18n.language)}</button>
              </li>
            ))}
          </ul>
        </div>
      )}
      <form noValidate className="space-y-4" onSubmit={(event) => { event.preventDefault(); submit(); }}>
        {json === null && form.fields.length === 0 && <p className="text-sm text-quiet">{t("plugins.no_input")}</p>}
        {json === null ? <SchemaFields form={form} named /> : <JsonInput value={json} error={wrong} onChange={(text) => { setWrong(""); setJson(text); }} />}
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
          <Button type="submit" weight="primary" data-testid="call-tool" disabled={call.isPending || !plugin.enabled}>{call.isPending ? t("plugins.calling") : t("plugins.call")}</Button>
          {!onlyJson && form.fields.length > 0 && <Button weight="bare" onClick={turn}>{json === null ? t("plugins.as_json") : t("plugins.as_form")}</Button>}
          {!plugin.enabled && <span className="text-sm text-brass-ink">{t("plugins.off")}</span>}
        </div>
      </form>
      <div aria-live="polite">
        {call.error && <ProblemNotice problem={asProblem(call.error)} />}
        {call.data && <Result result={call.data} />}
      </div>
    </div>
  );
}

interface JsonInputProps {
  value: string;
  error: string;
  onChange: (text: string) => void;
}

function JsonInput({ value, error, onChange }: JsonInputProps) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">{t("plugins.input_json")}</label>
      <textarea id={id} rows={7} spellCheck={false} className={`${INPUT} py-2 font-mono text-sm`} aria-invalid={error ? true : undefined} aria-describedby={`${id}-error`} value={value} onChange={(event) => onChange(event.target.value)} />
      <p id={`${id}-error`} className="mt-1 text-sm text-seal"><Words text={error} /></p>
    </div>
  );
}

function Result({ result }: { result: ToolResult }) {
  const { t } = useTranslation();
  const { report } = result;
  return (
    <section aria-label={result.ok ? t("plugins.result_ok") : t("plugins.result_failed")} data-testid="tool-result" data-ok={result.ok} className="space-y-4 border-t border-line pt-4">
      {result.error ? (
        <>
          <CallError code={result.error.kind} message={result.error.message} hint={result.error.hint ?? null} />
          {result.error.detail && (
            <details className="text-sm">
              <summary className="text-quiet">{t("plugins.for_developer")}</summary>
              <pre tabIndex={0} className="mt-2 max-h-64 overflow-auto rounded-lg border border-line bg-wall px-3 py-2 font-mono text-xs whitespace-pre-wrap">{result.error.detail}</pre>
            </details>
          )}
        </>
      ) : (
        <Part title={t("plugins.output")}><JsonView value={result.output} label={t("plugins.output")} /></Part>
      )}
      {report.logs.length > 0 && <Part title={t("plugins.logs")}><LogLines lines={report.logs} /></Part>}
      {report.dropped_log_lines > 0 && <p className="text-sm text-faint">{t("plugins.dropped", { count: report.dropped_log_lines })}</p>}
      <Cost report={report} />
    </section>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return <div><h4 className="mb-1.5 text-sm font-medium text-quiet">{title}</h4>{children}</div>;
}

function Cost({ report }: { report: ToolResult["report"] }) {
  const { t, i18n } = useTranslation();
  const { input, output } = report.tokens;
  const number = (value: number) => value.toLocaleString(i18n.language);
  const facts = [
    [t("plugins.took"), formatMicros(report.duration_us, i18n.language)],
    [t("plugins.cpu"), formatMicros(report.cpu_us, i18n.language)],
    [t("plugins.memory"), formatBytes(report.memory_peak_bytes, i18n.language)],
    [t("plugins.tokens_used"), input + output === 0 ? "0" : t("plugins.tokens_in_out", { input: number(input), output: number(output) })],
  ] as const;
  return (
    <dl className="flex flex-wrap gap-x-6 gap-y-1 text-sm">
      {facts.map(([name, value]) => <div key={name} className="flex gap-1.5"><dt className="text-faint">{name}</dt><dd className="tabular-nums">{value}</dd></div>)}
    </dl>
  );
}
