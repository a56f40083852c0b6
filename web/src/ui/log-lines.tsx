// What a plugin wrote into its log, as text and nothing else.
import type { LogLine } from "@/api/types";

export function LogLines({ lines }: { lines: LogLine[] }) {
  return (
    <ul className="max-h-64 overflow-auto rounded-lg border border-line bg-wall px-3 py-2 font-mono text-xs leading-6">
      {lines.map((line, index) => (
        <li key={index} className={`flex break-words ${line.level === "error" ? "text-seal" : line.level === "warn" ? "text-brass-ink" : "text-quiet"}`}>
          <span className="w-12 shrink-0 uppercase">{line.level}</span><span className="min-w-0 whitespace-pre-wrap">{line.message}</span>
        </li>
      ))}
    </ul>
  );
}
