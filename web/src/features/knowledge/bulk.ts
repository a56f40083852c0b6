// One thing done with several documents: which of them it concerns, and what came of it. Pure but for `performAll`, which
// tells of each that failed and goes on with the others.
import { eachOf } from "@/api/removals";
import { asProblem } from "@/api/client";
import type { Problem } from "@/api/client";
import { isWorkedOn } from "@/api/knowledge";
import type { KnowledgeDocument } from "@/api/knowledge";

/** More at once share the same line and make each slower. */
const AT_ONCE = 4;

export const ACTS = ["retry", "cancel", "read_again"] as const;
export type Act = (typeof ACTS)[number];

/** Those with which it can be done now. */
export function concerned(act: Act, documents: readonly KnowledgeDocument[]): KnowledgeDocument[] {
  const can: Record<Act, (document: KnowledgeDocument) => boolean> = {
    retry: ({ state }) => state === "failed" || state === "cancelled",
    cancel: isWorkedOn,
    read_again: ({ state }) => state === "ready",
  };
  return documents.filter(can[act]);
}

export interface Failure {
  id: string;
  name: string;
  problem: Problem;
}

/** `onDone` hears how many are over, failed ones among them. */
export async function performAll(documents: readonly KnowledgeDocument[], act: (document: KnowledgeDocument) => Promise<unknown>, onDone: (count: number) => void): Promise<Failure[]> {
  const failures: Failure[] = [];
  let done = 0;
  await eachOf(documents, AT_ONCE, async (document) => {
    try {
      await act(document);
    } catch (error) {
      failures.push({ id: document.id, name: document.name, problem: asProblem(error) });
    }
    onDone(++done);
  });
  return failures;
}

export const GROUP_CHANGES = ["add", "take", "set"] as const;
export type GroupChange = (typeof GROUP_CHANGES)[number];

/** Who may see a document after these groups were added, taken away, or put in the place of those it had. */
export function groupsAfter(change: GroupChange, before: readonly string[], groups: readonly string[]): string[] {
  if (change === "set") return [...groups];
  const others = before.filter((group) => !groups.includes(group));
  return change === "take" ? others : [...before, ...groups.filter((group) => !before.includes(group))];
}
