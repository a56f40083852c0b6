// Which hits a question should find: those of its saved test, and what was ticked since.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "@/api/client";
import { baseAddress, testsQuery } from "@/api/knowledge";
import type { Expected, RetrievalTest, SearchHit } from "@/api/knowledge";
import { expectationOf, isExpected } from "./expected";

interface Asked {
  base: string;
  query: string;
  filter: Record<string, unknown> | null;
}

export type Expectations = ReturnType<typeof useExpectations>;

export function useExpectations({ base, query, filter }: Asked, tests: RetrievalTest[]) {
  const queries = useQueryClient();
  const same = (test: RetrievalTest) => test.query === query && JSON.stringify(test.filter ?? {}) === JSON.stringify(filter ?? {});
  const saved = tests.find(same);
  /** Null while nothing was ticked: then what is saved holds. */
  const [ticked, setTicked] = useState<Expected[] | null>(null);
  const expected = ticked ?? saved?.expected ?? [];
  const save = useMutation({
    mutationFn: async () => {
      if (expected.length > 0) await request<unknown>(baseAddress(base, "tests"), { method: "POST", body: { query, ...(filter ? { filter } : {}), expected } });
      // Only when the new one is safe does the earlier one go.
      if (saved) await request<void>(baseAddress(base, "tests", saved.id), { method: "DELETE" });
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: testsQuery(base).queryKey });
      setTicked(null);
    },
  });
  return {
    expected, saved, save,
    dirty: ticked !== null && JSON.stringify(ticked) !== JSON.stringify(saved?.expected ?? []),
    has: (hit: SearchHit) => isExpected(hit, expected),
    toggle: (hit: SearchHit) => {
      save.reset();
      setTicked(isExpected(hit, expected) ? expected.filter((one) => !isExpected(hit, [one])) : [...expected, expectationOf(hit)]);
    },
    discard: () => setTicked(null),
  };
}
