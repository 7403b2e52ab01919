import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";

export const KINDS = ["admission", "model", "tool", "approval", "edit", "checkpoint"] as const;
export type Kind = (typeof KINDS)[number];
export type Decision = components["schemas"]["DecisionItem"];

export function useDecisions(kind: Kind | "") {
  return useInfiniteQuery({
    queryKey: ["decisions", kind], placeholderData: keepPreviousData, initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/policy/decisions", { params: { query: { limit: 200, ...(kind === "" ? {} : { kind }), ...(pageParam === null ? {} : { cursor: pageParam }) } } })),
    getNextPageParam: (last) => (last.next_cursor ?? undefined),
  });
}

export function useActive() {
  return useQuery({ queryKey: ["policy", "active"], queryFn: () => sent(api.GET("/api/v1/policy/active")) });
}

export const WINDOWS = { "24h": "24 hours", "7d": "7 days", "30d": "30 days" } as const;
export type Window = keyof typeof WINDOWS;

/** How often each rule decided in a window, of all decisions. */
export function useHits(window: Window) {
  return useQuery({ queryKey: ["policy", "hits", window], placeholderData: keepPreviousData, queryFn: () => sent(api.GET("/api/v1/policy/hits", { params: { query: { window } } })) });
}
