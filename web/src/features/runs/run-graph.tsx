// A run's steps drawn as tags on strings: what waits for what, which ways were taken, and where the work is now. A
// container is a frame around the tags of its steps, and each of those tells how it stands for all items together.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { RunProgress } from "@/api/run-progress";
import { useStepTitle } from "@/ui/step-title";
import { formatDuration } from "@/ui/time";
import { drawShapes, looksOf, shapesOf, wasTaken } from "./drawing";
import type { DrawnNode, Drawing, Look } from "./drawing";
import { StateCounts, StateMark } from "./state";

/** Height of a tag, and of a container's head. */
const HEAD = 56;
const MARGIN = 12;

interface GraphProps {
  run: RunProgress;
  selected: string | null;
  onSelect: (id: string) => void;
}

export function RunGraph({ run, selected, onSelect }: GraphProps) {
  const { t } = useTranslation();
  // The drawing depends on the shape alone; a step that changes its state must not move.
  const shape = JSON.stringify(shapesOf(run));
  const drawing = useMemo(() => drawShapes(JSON.parse(shape)), [shape]);
  const looks = useMemo(() => looksOf(run), [run]);
  return (
    <div role="group" aria-label={t("runs.graph_label")} data-testid="run-graph" className="overflow-auto">
      <div className="mx-auto" style={{ width: drawing.width + 2 * MARGIN, padding: MARGIN }}>
        <Layer drawing={drawing} looks={looks} selected={selected} onSelect={onSelect} />
      </div>
    </div>
  );
}

interface LayerProps {
  drawing: Drawing;
  looks: Map<string, Look>;
  selected: string | null;
  onSelect: (id: string) => void;
}

function Layer({ drawing, looks, selected, onSelect }: LayerProps) {
  return (
    <div className="relative" style={{ width: drawing.width, height: drawing.height }}>
      <svg aria-hidden="true" className="pointer-events-none absolute inset-0 overflow-visible" width={drawing.width} height={drawing.height} fill="none">
        {drawing.edges.map((edge) => {
          const taken = wasTaken(looks.get(edge.from), looks.get(edge.to), edge.port);
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
      </svg>
      {drawing.nodes.map((place) => {
        const look = looks.get(place.id);
        if (!look) return null;
        return (
          <div key={place.id} className="absolute" style={{ left: place.x, top: place.y, width: place.width, height: place.height }}>
            <Tag place={place} look={look} selected={selected === place.id} onSelect={onSelect} />
            {place.inside && (
              <div className="absolute" style={{ left: place.inside.x, top: place.inside.y }}>
                <Layer drawing={place.inside.drawing} looks={looks} selected={selected} onSelect={onSelect} />
              </div>
            )}
          </div>
        );
      })}
    </div>
  );
}

interface TagProps {
  place: DrawnNode;
  look: Look;
  selected: boolean;
  onSelect: (id: string) => void;
}

function Tag({ place, look, selected, onSelect }: TagProps) {
  const { i18n } = useTranslation();
  const titleOf = useStepTitle();
  const { node, state, counts } = look;
  const asleep = state === "waiting" || state === "skipped";
  const face = selected ? "border-brass bg-brass-wash" : state === "failed" ? "border-seal/60 bg-seal-wash" : asleep ? "border-line bg-paper" : "border-line bg-raised shadow-desk";
  // A container is opened by its head; the frame around its steps belongs to it.
  const frame = place.inside ? `absolute inset-0 rounded-2xl border ${selected ? "border-brass bg-brass-wash/40" : "border-line bg-wall"}` : null;
  return (
    <>
      {frame && <div aria-hidden="true" className={frame} />}
      <button type="button" onClick={() => onSelect(look.outermost)} aria-pressed={selected} data-testid={`node-${node.id}`} data-state={state}
        style={{ height: place.inside ? HEAD - 10 : HEAD }}
        className={`absolute inset-x-0 top-0 flex items-center gap-2 border px-2.5 text-start transition-colors hover:border-brass ${place.inside ? `rounded-2xl rounded-b-lg ${face}` : `rounded-xl ${face}`}`}>
        <StateMark state={state} />
        <span className="min-w-0 flex-1">
          <span className={`block truncate text-sm font-medium ${asleep ? "text-quiet" : ""}`}>{titleOf(node)}</span>
          <span className="flex items-baseline gap-1.5 truncate text-xs text-faint">
            <span className="truncate font-mono">{node.id}</span>
            {counts && <StateCounts counts={counts} />}
            {node.durationMs !== null && <span className="shrink-0">· {formatDuration(node.durationMs, i18n.language)}</span>}
          </span>
        </span>
      </button>
    </>
  );
}
