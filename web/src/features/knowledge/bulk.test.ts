import { describe, expect, it } from "vitest";
import { Problem } from "@/api/client";
import type { KnowledgeDocument } from "@/api/knowledge";
import { concerned, groupsAfter, performAll } from "./bulk";

const document = (name: string, state = "ready"): KnowledgeDocument => ({ id: `id-${name}`, name, state, version: 1, records: 1, groups: [], metadata: {}, warnings: [], answering: true });
const names = (documents: { name: string }[]) => documents.map((one) => one.name);

describe("concerned", () => {
  it("takes those with which it can be done", () => {
    const all = [document("a"), document("b", "failed"), document("c", "parsing"), document("d", "cancelled"), document("e", "queued")];
    expect(names(concerned("retry", all))).toEqual(["b", "d"]);
    expect(names(concerned("cancel", all))).toEqual(["c", "e"]);
    expect(names(concerned("read_again", all))).toEqual(["a"]);
  });
});

describe("performAll", () => {
  it("goes on after a failure and tells of it", async () => {
    const problem = new Problem(409, { code: "conflict" });
    const done: number[] = [];
    const failures = await performAll(["a", "b", "c"].map((name) => document(name)), (one) => (one.name === "b" ? Promise.reject(problem) : Promise.resolve()), (count) => done.push(count));
    expect(failures).toEqual([{ id: "id-b", name: "b", problem }]);
    expect(done).toEqual([1, 2, 3]);
  });
});

describe("groupsAfter", () => {
  it("adds, takes away and puts in place", () => {
    expect(groupsAfter("add", ["客服", "sales"], ["sales", "财务"])).toEqual(["客服", "sales", "财务"]);
    expect(groupsAfter("take", ["客服", "sales"], ["sales"])).toEqual(["客服"]);
    expect(groupsAfter("set", ["客服"], [])).toEqual([]);
  });
});
