// Markdown from models and workflows, which is untrusted text: no HTML, no remote images, and links only to the web,
// opened apart and without passing anything on.
import { memo, useMemo } from "react";
import type { ComponentProps } from "react";
import { useTranslation } from "react-i18next";
import ReactMarkdown from "react-markdown";
import type { Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { CopyButton } from "./copy-button";
import { settleTail, splitBlocks } from "./markdown-blocks";
import { safeLink } from "./safe-link";

function Anchor({ href, children }: ComponentProps<"a">) {
  const safe = safeLink(href);
  if (safe === null) return <span>{children}</span>;
  return <a href={safe} target="_blank" rel="noopener noreferrer nofollow" title={safe}>{children}</a>;
}

/** An image in an answer would tell its host who reads what; the reader may open it instead. */
function Picture({ src, alt }: ComponentProps<"img">) {
  const { t } = useTranslation();
  const safe = safeLink(typeof src === "string" ? src : undefined);
  const label = t("chat.image_not_loaded", { label: alt || safe || "" });
  const box = "inline-block rounded-md border border-dashed border-line px-2 py-0.5 text-sm text-quiet";
  if (safe === null) return <span className={box}>{label}</span>;
  return <a href={safe} target="_blank" rel="noopener noreferrer nofollow" title={safe} className={box}>{label}</a>;
}

function Pre({ children, node }: ComponentProps<"pre"> & { node?: HastNode | undefined }) {
  const { t } = useTranslation();
  const code = node?.children?.[0];
  const names = code?.properties?.["className"];
  const language = Array.isArray(names) ? String(names[0] ?? "").replace(/^language-/, "") : "";
  return (
    <figure className="overflow-hidden rounded-xl border border-line bg-wall">
      <div className="flex items-center justify-between border-b border-line ps-4 text-xs text-faint">
        <span className="font-mono">{language}</span>
        <CopyButton text={textOf(code)} label={t("chat.copy_code")} className="!size-8" />
      </div>
      <pre tabIndex={0} className="!m-0 overflow-x-auto px-4 py-3 font-mono text-[0.86rem] leading-relaxed">{children}</pre>
    </figure>
  );
}

interface HastNode {
  value?: string;
  properties?: Record<string, unknown>;
  children?: HastNode[];
}

function textOf(node: HastNode | undefined): string {
  if (!node) return "";
  return (node.value ?? "") + (node.children ?? []).map(textOf).join("");
}

function Table({ children }: ComponentProps<"table">) {
  return <div className="my-3 overflow-x-auto" tabIndex={0}><table>{children}</table></div>;
}

const components = { a: Anchor, img: Picture, pre: Pre, table: Table } as Components;
const plugins = [remarkGfm];
/** The components decide what an address may be; this only keeps the library from emptying it first. */
const keepUrl = (url: string) => url;

const Block = memo(function Block({ text }: { text: string }) {
  return <ReactMarkdown remarkPlugins={plugins} components={components} urlTransform={keepUrl} skipHtml>{text}</ReactMarkdown>;
});

export function Markdown({ text, streaming = false }: { text: string; streaming?: boolean }) {
  const blocks = useMemo(() => splitBlocks(text), [text]);
  return (
    <div className="prose-answer">
      {blocks.map((block, index) => (
        <div key={index}>
          <Block text={streaming && index === blocks.length - 1 ? settleTail(block) : block} />
        </div>
      ))}
    </div>
  );
}
