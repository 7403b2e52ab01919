import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";

export const KINDS = ["admission", "model", "tool", "approval", "edit", "checkpoint"] as const;
export type Kind = (typeof KINDS)[number];
export type Decision = components["schemas"]["DecisionItem"];

export function useDecisions(kind: Kind | "") {
  return useInfiniteQuery({
    queryKey: ["decisions", kind], placeholderData: keepPreviousData, initialPageParam: null as number | null,
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/policy/decisions", { params: { query: { last: 200, ...(kind === "" ? {} : { kind }), ...(pageParam === null ? {} : { before: pageParam }) } } })),
    getNextPageParam: (last) => (last.next_cursor == null ? undefined : Number(last.next_cursor)),
  });
}

export function useActive() {
  return useQuery({ queryKey: ["policy", "active"], queryFn: () => sent(api.GET("/api/v1/policy/active")) });
}

/** How often each rule decided, and when last, among decisions that are newest first. */
export function hitsOf(rows: readonly Decision[]): Map<string, { times: number; last: string }> {
  const hits = new Map<string, { times: number; last: string }>();
  for (const row of rows) {
    for (const rule of row.data.rules) {
      const before = hits.get(rule);
      hits.set(rule, { times: (before?.times ?? 0) + 1, last: before?.last ?? row.time });
    }
  }
  return hits;
}
