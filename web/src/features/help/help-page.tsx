// A short help inside the page, in the reader's language.
import { useTranslation } from "react-i18next";
import { CodeBlock } from "@/ui/code-block";
import { Page } from "@/ui/page";
import { Words } from "@/ui/words";

const MODEL = `export PARLOUR_MODEL_BASE_URL=https://api.example.com/v1
export PARLOUR_MODEL_API_KEY=sk-…
export PARLOUR_MODEL_NAME=your-model`;

const KEYS = [
  ["Enter", "help.key_send"],
  ["Shift + Enter", "help.key_line"],
  ["Esc", "help.key_stop"],
  ["/", "help.key_focus"],
  ["Alt + N", "help.key_new"],
  ["Tab", "help.key_tab"],
  ["Ctrl + Z", "help.key_undo"],
] as const;

/** What workflows can do, in the order in which readers meet it. */
const TOPICS = ["waits", "containers", "triggers", "knowledge", "documents", "plugins", "cache", "rerun"] as const;

export function HelpPage() {
  const { t } = useTranslation();
  return (
    <Page title={t("help.title")}>
      <div className="max-w-2xl space-y-10 leading-relaxed">
        <Topic title={t("help.ask_title")}><p>{t("help.ask_text")}</p></Topic>
        <Topic title={t("help.runs_title")}><p>{t("help.runs_text")}</p></Topic>
        {TOPICS.map((topic) => <Topic key={topic} title={t(`help.${topic}_title`)}><p><Words text={t(`help.${topic}_text`)} /></p></Topic>)}
        <Topic title={t("help.model_title")}><p><Words text={t("help.model_text")} /></p><CodeBlock text={MODEL} /></Topic>
        <Topic title={t("help.assistants_title")}><p><Words text={t("help.assistants_text")} /></p><CodeBlock text="parlour serve --project DIR" /></Topic>
        <Topic title={t("help.keyboard_title")}>
          <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-2">
            {KEYS.map(([key, label]) => (
              <div key={key} className="contents">
                <dt><kbd className="rounded-md border border-b-2 border-line bg-raised px-2 py-0.5 font-mono text-sm">{key}</kbd></dt>
                <dd>{t(label)}</dd>
              </div>
            ))}
          </dl>
        </Topic>
      </div>
    </Page>
  );
}

function Topic({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section>
      <h2 className="mb-2 font-display text-xl font-semibold">{title}</h2>
      <div className="space-y-3 text-quiet">{children}</div>
    </section>
  );
}
