// Where an execution belongs: `orders[2].price` is what node `price` did for item 2 of container `orders`. Containers
// stand in containers: `a[0].b[1].c`. Pure, and quick enough for thousands of executions.
import type { NodeState } from "./types";

/** Whether a node's id in an event or a detail is a path into a container. */
export function isInner(id: string): boolean {
  return id.includes("[");
}

/** A path apart: the item that it is part of, and the node's own id. Null for an outermost node. */
export function splitPath(path: string): { container: string; index: number; item: string; node: string } | null {
  const close = path.lastIndexOf("].");
  const open = path.lastIndexOf("[", close);
  if (close < 0 || open < 0) return null;
  return { container: path.slice(0, open), index: Number(path.slice(open + 1, close)), item: path.slice(0, close + 1), node: path.slice(close + 2) };
}

/** The id that a node has in the document, whatever item it works on. */
export function ownId(path: string): string {
  return splitPath(path)?.node ?? path;
}

/** The outermost node that a path leads into. */
export function outermost(path: string): string {
  const open = path.indexOf("[");
  return open < 0 ? path : path.slice(0, open);
}

export function definitionOf<T extends { id: string; parent: string }>(inner: T[], path: string): T | undefined {
  const id = ownId(path);
  return inner.find((node) => node.id === id);
}

export interface Item<T> {
  index: number;
  /** `orders[2]` */
  path: string;
  state: NodeState;
  executions: T[];
}

interface Execution {
  id: string;
  state: NodeState;
  handled: boolean;
}

/** The items of every container, by the container's path, in the order of the list that they come from. */
export function groupByItem<T extends Execution>(executions: T[]): Map<string, Item<T>[]> {
  const items = new Map<string, Item<T>>();
  const containers = new Map<string, Item<T>[]>();
  for (const execution of executions) {
    const at = splitPath(execution.id);
    if (!at) continue;
    let item = items.get(at.item);
    if (!item) {
      item = { index: at.index, path: at.item, state: "waiting", executions: [] };
      items.set(at.item, item);
      const list = containers.get(at.container);
      if (list) list.push(item);
      else containers.set(at.container, [item]);
    }
    item.executions.push(execution);
  }
  for (const item of items.values()) item.state = stateOf(item.executions);
  for (const list of containers.values()) list.sort((a, b) => a.index - b.index);
  return containers;
}

/** An item is as its worst step: failed, else at work, else done. A failure that was taken care of does not count. */
export function stateOf(executions: Execution[]): NodeState {
  const has = (state: NodeState) => executions.some((one) => one.state === state && !(state === "failed" && one.handled));
  if (has("failed")) return "failed";
  if (has("running") || has("waiting")) return "running";
  if (executions.length > 0 && executions.every((one) => one.state === "kept")) return "kept";
  return executions.length > 0 && executions.every((one) => one.state === "skipped") ? "skipped" : "done";
}

export type Tally = Record<NodeState, number>;

export function tally(of: { state: NodeState }[]): Tally {
  const found: Tally = { waiting: 0, running: 0, done: 0, kept: 0, skipped: 0, failed: 0 };
  for (const one of of) found[one.state] += 1;
  return found;
}
