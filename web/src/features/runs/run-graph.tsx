// A run's steps drawn as tags on strings: what waits for what, which ways were taken, and where the work is now.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { NodeProgress } from "@/api/run-progress";
import { useStepTitle } from "@/ui/step-title";
import { formatDuration } from "@/ui/time";
import { layoutGraph } from "./layout";
import { StateMark } from "./state";

const SIZE = { width: 184, height: 56, gapX: 18, gapY: 46 };
const MARGIN = 12;

interface GraphProps {
  nodes: NodeProgress[];
  selected: string | null;
  onSelect: (id: string) => void;
}

export function RunGraph({ nodes, selected, onSelect }: GraphProps) {
  const { t, i18n } = useTranslation();
  const titleOf = useStepTitle();
  // The drawing depends on the shape alone; a step that changes its state must not move.
  const shape = JSON.stringify(nodes.map((node) => ({ id: node.id, dependencies: node.dependencies })));
  const layout = useMemo(() => layoutGraph(JSON.parse(shape), SIZE), [shape]);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return (
    <div role="group" aria-label={t("runs.graph_label")} data-testid="run-graph" className="overflow-auto">
      <div className="relative mx-auto" style={{ width: layout.width + 2 * MARGIN, height: layout.height + 2 * MARGIN }}>
        <svg aria-hidden="true" className="absolute inset-0 overflow-visible" width={layout.width + 2 * MARGIN} height={layout.height + 2 * MARGIN}>
          <g transform={`translate(${MARGIN} ${MARGIN})`} fill="none">
            {layout.edges.map((edge) => {
              const taken = wasTaken(byId.get(edge.from), byId.get(edge.to), edge.port);
              return (
                <g key={`${edge.from}>${edge.to}`}>
                  <path d={edge.path} strokeWidth={taken ? 2 : 1.4} strokeDasharray={taken ? undefined : "3 5"}
                    className={taken ? "stroke-brass" : "stroke-faint/60"} />
                  {edge.port && (
                    <text x={edge.label.x} y={edge.label.y} textAnchor="middle" paintOrder="stroke" strokeWidth="5" strokeLinejoin="round"
                      className={`stroke-paper font-mono text-[11px] ${taken ? "fill-brass-ink" : "fill-faint"}`}>{edge.port}</text>
                  )}
                </g>
              );
            })}
          </g>
        </svg>
        {layout.nodes.map((place) => {
          const node = byId.get(place.id);
          if (!node) return null;
          const asleep = node.state === "waiting" || node.state === "skipped";
          return (
            <button key={node.id} type="button" onClick={() => onSelect(node.id)} aria-pressed={selected === node.id} data-testid={`node-${node.id}`} data-state={node.state}
              style={{ left: place.x + MARGIN, top: place.y + MARGIN, width: SIZE.width, height: SIZE.height }}
              className={`absolute flex items-center gap-2 rounded-xl border px-2.5 text-start transition-colors ${
                selected === node.id ? "border-brass bg-brass-wash" : node.state === "failed" ? "border-seal/60 bg-seal-wash" : asleep ? "border-line bg-paper" : "border-line bg-raised shadow-desk"
              } hover:border-brass`}>
              <StateMark state={node.state} />
              <span className="min-w-0 flex-1">
                <span className={`block truncate text-sm font-medium ${asleep ? "text-quiet" : ""}`}>{titleOf(node)}</span>
                <span className="block truncate text-xs text-faint">
                  <span className="font-mono">{node.id}</span>{node.durationMs !== null && ` · ${formatDuration(node.durationMs, i18n.language)}`}
                </span>
              </span>
            </button>
          );
        })}
      </div>
    </div>
  );
}

/** Whether the work went along an edge: its end was reached, and by the way out that the edge names. */
function wasTaken(from: NodeProgress | undefined, to: NodeProgress | undefined, port: string | null): boolean {
  if (!from || !to || to.state === "waiting" || to.state === "skipped") return false;
  if (from.state === "failed") return from.handled && (port === null || port === "error");
  return from.state === "done" && (port === null || from.port === port);
}
