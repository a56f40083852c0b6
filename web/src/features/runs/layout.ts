// A layered drawing of a graph of steps, top to bottom: each step below everything it waits for, edges with as few
// crossings as a handful of sweeps finds, long edges led around the steps between. Pure: same graph, same drawing.

export interface LayoutNode {
  id: string;
  dependencies: { node: string; port: string | null }[];
  /** Of a step that is larger than the others because it has steps inside. */
  width?: number;
  height?: number;
}

export interface Size {
  width: number;
  height: number;
  gapX: number;
  gapY: number;
}

export interface PlacedNode {
  id: string;
  layer: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface PlacedEdge {
  from: string;
  to: string;
  port: string | null;
  /** An SVG path from the bottom of `from` to the top of `to`. */
  path: string;
  /** Where the port's name is written. */
  label: { x: number; y: number };
}

export interface Layout {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

/** How often the order within layers is improved, down and up; more changes nothing on graphs of this size. */
const SWEEPS = 6;

interface Cell {
  key: string;
  layer: number;
  above: Cell[];
  below: Cell[];
  /** A bend of a long edge, narrower than a step. */
  bend: boolean;
  x: number;
  width: number;
  height: number;
}

export function layoutGraph(graph: LayoutNode[], size: Size): Layout {
  const edges = usableEdges(graph);
  const layerOf = assignLayers(graph, edges);
  const { layers, cells, chains } = buildCells(graph, { edges, layerOf, size });
  order(layers);
  const width = place(layers, size.gapX);
  const rows = stack(layers, size.gapY);
  const nodes = graph.map((node) => {
    const { layer = 0, x = 0, width: wide = size.width, height = size.height } = cells.get(node.id) ?? {};
    return { id: node.id, layer, x: x - wide / 2, y: rows[layer]?.top ?? 0, width: wide, height };
  });
  const last = rows.at(-1);
  return {
    nodes,
    edges: edges.map((edge, index) => ({ ...edge, ...drawEdge(chains[index] ?? [], rows) })),
    width,
    height: last ? last.top + last.height : 0,
  };
}

interface Row {
  top: number;
  height: number;
}

/** The layers below one another, each as high as its highest step. */
function stack(layers: Cell[][], gap: number): Row[] {
  let top = 0;
  return layers.map((layer) => {
    const row = { top, height: Math.max(...layer.map((cell) => cell.height)) };
    top += row.height + gap;
    return row;
  });
}

type Edge = { from: string; to: string; port: string | null };

/** Edges between known steps, each pair once, without those that would close a circle. */
function usableEdges(graph: LayoutNode[]): Edge[] {
  const known = new Set(graph.map((node) => node.id));
  const next = new Map<string, Set<string>>();
  const reaches = (from: string, goal: string, seen = new Set<string>()): boolean => {
    if (from === goal) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return [...(next.get(from) ?? [])].some((one) => reaches(one, goal, seen));
  };
  const edges: Edge[] = [];
  for (const node of graph) {
    for (const dependency of node.dependencies) {
      if (!known.has(dependency.node)) continue;
      const same = edges.find((edge) => edge.from === dependency.node && edge.to === node.id);
      if (same) {
        same.port ??= dependency.port;
        continue;
      }
      if (reaches(node.id, dependency.node)) continue;
      edges.push({ from: dependency.node, to: node.id, port: dependency.port });
      next.set(dependency.node, (next.get(dependency.node) ?? new Set()).add(node.id));
    }
  }
  return edges;
}

/** Each step one layer below the lowest of those it waits for. */
function assignLayers(graph: LayoutNode[], edges: Edge[]): Map<string, number> {
  const waiting = new Map(graph.map((node) => [node.id, 0]));
  for (const edge of edges) waiting.set(edge.to, (waiting.get(edge.to) ?? 0) + 1);
  const layer = new Map(graph.map((node) => [node.id, 0]));
  const ready = graph.filter((node) => waiting.get(node.id) === 0).map((node) => node.id);
  for (let at = 0; at < ready.length; at++) {
    const id = ready[at] ?? "";
    for (const edge of edges) {
      if (edge.from !== id) continue;
      layer.set(edge.to, Math.max(layer.get(edge.to) ?? 0, (layer.get(id) ?? 0) + 1));
      const left = (waiting.get(edge.to) ?? 1) - 1;
      waiting.set(edge.to, left);
      if (left === 0) ready.push(edge.to);
    }
  }
  return layer;
}

function buildCells(graph: LayoutNode[], { edges, layerOf, size }: { edges: Edge[]; layerOf: Map<string, number>; size: Size }) {
  const layers: Cell[][] = [];
  const cells = new Map<string, Cell>();
  const add = (key: string, layer: number, of: LayoutNode | null): Cell => {
    const [width, height] = of ? [of.width ?? size.width, of.height ?? size.height] : [size.gapX, 0];
    const cell: Cell = { key, layer, above: [], below: [], bend: of === null, x: 0, width, height };
    while (layers.length <= layer) layers.push([]);
    layers[layer]?.push(cell);
    return cell;
  };
  for (const node of graph) cells.set(node.id, add(node.id, layerOf.get(node.id) ?? 0, node));
  const chains = edges.map((edge) => {
    const from = cells.get(edge.from);
    const to = cells.get(edge.to);
    if (!from || !to) return [];
    const chain = [from];
    for (let layer = from.layer + 1; layer < to.layer; layer++) chain.push(add(`${edge.from}>${edge.to}@${layer}`, layer, null));
    chain.push(to);
    for (let at = 1; at < chain.length; at++) {
      const [upper, lower] = [chain[at - 1], chain[at]];
      if (!upper || !lower) continue;
      upper.below.push(lower);
      lower.above.push(upper);
    }
    return chain;
  });
  return { layers, cells, chains };
}

/** Sorts each layer by the middle of its neighbours, downwards and upwards in turn, and keeps the best order seen. */
function order(layers: Cell[][]): void {
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const down = sweep % 2 === 0;
    const sequence = down ? layers : [...layers].reverse();
    for (const layer of sequence) {
      const rank = ranks(layers);
      const middle = (cell: Cell): number => {
        const near = down ? cell.above : cell.below;
        if (near.length === 0) return rank.get(cell) ?? 0;
        return near.reduce((sum, one) => sum + (rank.get(one) ?? 0), 0) / near.length;
      };
      const wish = new Map(layer.map((cell) => [cell, middle(cell)]));
      layer.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0));
    }
    const now = crossings(layers);
    if (now < fewest) {
      fewest = now;
      best = layers.map((layer) => [...layer]);
    }
  }
  best.forEach((layer, index) => { layers[index] = layer; });
}

function ranks(layers: Cell[][]): Map<Cell, number> {
  // Relative positions, so that wide and narrow layers compare.
  return new Map(layers.flatMap((layer) => layer.map((cell, index) => [cell, (index + 0.5) / layer.length] as const)));
}

function crossings(layers: Cell[][]): number {
  let found = 0;
  for (const layer of layers) {
    const below = new Map((layers[(layer[0]?.layer ?? 0) + 1] ?? []).map((cell, index) => [cell, index]));
    const ends = layer.flatMap((cell, at) => cell.below.map((one) => [at, below.get(one) ?? 0] as const));
    for (const [a, x] of ends) for (const [b, y] of ends) if (a < b && x > y) found += 1;
  }
  return found;
}

/** Gives each cell its middle: near its neighbours, never overlapping. Returns the drawing's width. */
function place(layers: Cell[][], gap: number): number {
  const half = (cell: Cell) => cell.width / 2;
  const spread = (layer: Cell[], wish: (cell: Cell) => number) => {
    const wishes = layer.map(wish);
    let edge = -Infinity;
    layer.forEach((cell, index) => {
      cell.x = Math.max(wishes[index] ?? 0, edge + half(cell));
      edge = cell.x + half(cell) + gap;
    });
    // Pushing to the right alone would lean; the whole layer moves back by the mean of the push.
    const lean = layer.reduce((sum, cell, index) => sum + cell.x - (wishes[index] ?? 0), 0) / (layer.length || 1);
    for (const cell of layer) cell.x -= lean;
  };
  const mean = (cells: Cell[], otherwise: number) =>
    cells.length === 0 ? otherwise : cells.reduce((sum, cell) => sum + cell.x, 0) / cells.length;
  for (const layer of layers) spread(layer, (cell) => mean(cell.above, 0));
  for (const layer of [...layers].reverse()) spread(layer, (cell) => mean(cell.below, cell.x));
  for (const layer of layers) spread(layer, (cell) => (cell.above.length > 0 && cell.below.length === 0 ? mean(cell.above, cell.x) : cell.x));
  const all = layers.flat();
  const left = Math.min(...all.map((cell) => cell.x - half(cell)), Infinity);
  const right = Math.max(...all.map((cell) => cell.x + half(cell)), -Infinity);
  if (all.length === 0) return 0;
  for (const cell of all) cell.x = Math.round(cell.x - left);
  return Math.ceil(right - left);
}

function drawEdge(chain: Cell[], rows: Row[]): { path: string; label: { x: number; y: number } } {
  const [first, second] = chain;
  if (!first || !second) return { path: "", label: { x: 0, y: 0 } };
  const top = (cell: Cell) => rows[cell.layer]?.top ?? 0;
  // A bend goes straight through its layer; a step that is lower than its neighbours is left at its own edge.
  const bottom = (cell: Cell) => top(cell) + (cell.bend ? (rows[cell.layer]?.height ?? 0) : cell.height);
  let path = `M${first.x} ${bottom(first)}`;
  for (let at = 1; at < chain.length; at++) {
    const [from, to] = [chain[at - 1], chain[at]];
    if (!from || !to) continue;
    const start = bottom(from);
    const end = top(to);
    const bow = (end - start) * 0.5;
    if (from.bend) path += `L${from.x} ${start}`;
    path += `C${from.x} ${start + bow} ${to.x} ${end - bow} ${to.x} ${end}`;
  }
  const start = bottom(first);
  return { path, label: { x: Math.round(first.x * 0.35 + second.x * 0.65), y: Math.round(start + (top(second) - start) * 0.62) } };
}
