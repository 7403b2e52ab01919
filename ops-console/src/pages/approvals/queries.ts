import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api, item, page } from "../../api/client";
import type { Approval } from "../../api/rows";

export type ApprovalState = Approval["state"];

const LIMIT = 200;

export function useApprovals(state: ApprovalState) {
  return useQuery({
    queryKey: ["approvals", state],
    queryFn: () => page<Approval>(api.GET("/api/v1/approvals", { params: { query: { state, limit: LIMIT } } })),
    placeholderData: keepPreviousData,
  });
}

export const usePending = () => useApprovals("pending");

const AGAIN_MS = 1_000;

/** One approval. One that left the list is asked for until it says what became of it. */
export function useApproval(id: string, gone: boolean) {
  return useQuery({
    queryKey: ["approval", id],
    queryFn: () => item<Approval>(api.GET("/api/v1/approvals/{approval}", { params: { path: { approval: id } } })),
    refetchInterval: (query) => (gone && query.state.data?.state === "pending" ? AGAIN_MS : false),
  });
}
