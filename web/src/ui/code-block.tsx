// A command or a file to copy: help texts and empty states use it.
import { CopyButton } from "./copy-button";

export function CodeBlock({ text, label }: { text: string; label?: string }) {
  return (
    <div className="group relative rounded-xl border border-line bg-wall text-start">
      <pre tabIndex={0} className="overflow-x-auto px-4 py-3 pe-12 font-mono text-[0.85rem] leading-relaxed text-ink">{text}</pre>
      <CopyButton text={text} {...(label ? { label } : {})} className="absolute end-1 top-1 bg-wall" />
    </div>
  );
}
