// A run's steps as a string of beads: one per step, in the order of the graph. A glance shows how far it is; the words
// beside it, which every user of this component supplies, say what is happening.
import type { NodeProgress } from "@/api/run-progress";
import type { NodeState } from "@/api/types";

const BEAD: Record<NodeState, string> = {
  waiting: "border border-faint/70",
  running: "bg-brass animate-lamp",
  done: "bg-lacquer dark:bg-[#6fb59d]",
  kept: "border border-lacquer dark:border-[#6fb59d]",
  skipped: "h-px! w-2 rounded-none! bg-faint/60",
  failed: "bg-seal",
};
/** More steps than this do not fit beside words on a phone. */
const MOST = 12;

export function Beads({ nodes }: { nodes: NodeProgress[] }) {
  return (
    <span aria-hidden="true" className="inline-flex items-center gap-1.5">
      {nodes.slice(0, MOST).map((node) => (
        <span key={node.id} className={`size-2 rounded-full ${BEAD[node.state]}`} />
      ))}
      {nodes.length > MOST && <span className="text-xs text-faint">+{nodes.length - MOST}</span>}
    </span>
  );
}
