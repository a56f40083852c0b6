// Tools that end as no tool should. A line that is named in a test says so.

import { tool, ToolError, Type } from "parlour-plugin";

const nothing = Type.Object({});
const anything = Type.Unknown();

function failing(run: () => unknown) {
  return tool({ description: "Goes wrong.", input: nothing, output: anything, run });
}

interface Dish {
  name: string;
  origin?: { province: string };
}

function province(dish: Dish): string {
  // The next line is the 19th.
  return (dish.origin as { province: string }).province;
}

const throws = tool({
  description: "Throws.",
  input: Type.Object({ what: Type.String() }),
  output: anything,
  run({ what }) {
    switch (what) {
      case "error":
        return province({ name: "鱼" });
      case "text":
        throw "plain words";
      case "nothing":
        throw undefined;
      case "object":
        throw { code: 5 };
      case "hostile":
        throw new Proxy(
          {},
          {
            get() {
              throw 1;
            },
          },
        );
      default:
        throw new ToolError("rate_limited", "wait", { retryAfter: 7 });
    }
  },
});

const rejects = failing(async () => {
  await null;
  throw new RangeError("too late");
});

const waits = failing(() => new Promise(() => undefined));
const holds = failing(() => ({ list: [1, { big: 10n }] }));
const loops = failing(() => {
  for (;;);
});
const loops_in_jobs = failing(async () => {
  for (;;) await null;
});
const fills_memory = failing(() => {
  const all: number[][] = [];
  for (;;) all.push(new Array<number>(1000).fill(1));
});
const overflows = failing(() => {
  const deeper = (n: number): number => 1 + deeper(n + 1);
  return deeper(0);
});
const floods = failing(() => "x".repeat(6 << 20));

const misfits = tool({
  description: "Answers what it does not declare.",
  input: nothing,
  output: Type.Object({ each: Type.Integer() }),
  run: () => ({ each: "three" }) as unknown as { each: number },
});

export const bad = { throws, rejects, waits, holds, loops, loops_in_jobs, fills_memory, overflows, floods, misfits };
