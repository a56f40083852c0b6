// A run's graph as boxes: containers are boxes around a drawing of their own. Pure. What a box shows of its node is the
// node's state, or inside a container, what its executions for all items come to.
import { groupByItem, ownId, tally } from "@/api/run-paths";
import type { Tally } from "@/api/run-paths";
import type { NodeProgress, RunProgress } from "@/api/run-progress";
import type { NodeState } from "@/api/types";
import { layoutGraph } from "./layout";
import type { LayoutNode, PlacedEdge, PlacedNode } from "./layout";

const SIZE = { width: 184, height: 56, gapX: 18, gapY: 46 };
/** Between a container's edge and what is inside, in pixels. */
const PADDING = 14;

export interface Shape extends LayoutNode {
  parent: string | null;
}

export interface Drawing {
  nodes: DrawnNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

export interface DrawnNode extends PlacedNode {
  /** The steps in a container, below its head. */
  inside: { drawing: Drawing; x: number; y: number } | null;
}

export function shapesOf(run: Pick<RunProgress, "nodes" | "inner">): Shape[] {
  return [
    ...run.nodes.map((node) => ({ id: node.id, dependencies: node.dependencies, parent: null })),
    ...run.inner.map((node) => ({ id: node.id, dependencies: node.dependencies, parent: node.parent })),
  ];
}

export function drawShapes(shapes: Shape[], parent: string | null = null): Drawing {
  const insides = new Map<string, Drawing>();
  const boxes = shapes
    .filter((shape) => shape.parent === parent)
    .map((shape): LayoutNode => {
      if (!shapes.some((one) => one.parent === shape.id)) return { id: shape.id, dependencies: shape.dependencies };
      const drawing = drawShapes(shapes, shape.id);
      insides.set(shape.id, drawing);
      return { id: shape.id, dependencies: shape.dependencies, width: Math.max(SIZE.width, drawing.width + 2 * PADDING), height: SIZE.height + drawing.height + PADDING };
    });
  const layout = layoutGraph(boxes, SIZE);
  const nodes = layout.nodes.map((node) => {
    const drawing = insides.get(node.id);
    return { ...node, inside: drawing ? { drawing, x: (node.width - drawing.width) / 2, y: SIZE.height } : null };
  });
  return { ...layout, nodes };
}

export interface Look {
  node: NodeProgress;
  inner: boolean;
  state: NodeState;
  handled: boolean;
  /** The ways out that were taken. */
  ports: Set<string>;
  /** How many are in which state: of an outermost container its items, of a node inside its executions. Null of a node that is executed once. */
  counts: Tally | null;
  /** The outermost node to which it belongs. */
  outermost: string;
}

/** What each box shows, by the id of its node. */
export function looksOf(run: Pick<RunProgress, "nodes" | "inner" | "executions">): Map<string, Look> {
  const looks = new Map<string, Look>();
  const items = groupByItem(run.executions);
  for (const node of run.nodes) {
    const own = items.get(node.id);
    looks.set(node.id, { node, inner: false, state: node.state, handled: node.handled, ports: new Set(node.port ? [node.port] : []), counts: own ? tally(own) : null, outermost: node.id });
  }
  const byNode = new Map<string, NodeProgress[]>();
  for (const execution of run.executions) {
    const id = ownId(execution.id);
    const list = byNode.get(id);
    if (list) list.push(execution);
    else byNode.set(id, [execution]);
  }
  const parents = new Map(run.inner.map((node) => [node.id, node.parent]));
  for (const node of run.inner) {
    const executions = byNode.get(node.id) ?? [];
    const counts = tally(executions);
    looks.set(node.id, {
      node, inner: true, counts, state: together(counts), handled: executions.some((one) => one.handled),
      ports: new Set(executions.flatMap((one) => (one.port ? [one.port] : []))), outermost: top(parents, node.parent),
    });
  }
  return looks;
}

function together(counts: Tally): NodeState {
  if (counts.running > 0) return "running";
  if (counts.failed > 0) return "failed";
  if (counts.done > 0) return "done";
  if (counts.kept > 0) return "kept";
  return counts.skipped > 0 ? "skipped" : "waiting";
}

function top(parents: Map<string, string>, id: string): string {
  const above = parents.get(id);
  return above === undefined ? id : top(parents, above);
}

/** Whether the work went along an edge: its end was reached, and by the way out that the edge names. */
export function wasTaken(from: Look | undefined, to: Look | undefined, port: string | null): boolean {
  if (!from || !to || to.state === "waiting" || to.state === "skipped") return false;
  if (!from.inner && from.state === "failed") return from.handled && (port === null || port === "error");
  return from.ports.size > 0 && (port === null || from.ports.has(port));
}
