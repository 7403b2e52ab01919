import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api, item, page } from "../../api/client";
import type { Approval } from "../../api/rows";
import { patched, type Rows } from "../../live/rows";

export type ApprovalState = Approval["state"];

const LIMIT = 200;

export function useApprovals(state: ApprovalState) {
  const ask = (query: { id?: string } = {}) => page<Approval>(api.GET("/api/v1/approvals", { params: { query: { ...query, state, limit: LIMIT } } }));
  return useQuery({
    queryKey: ["approvals", state],
    queryFn: () => ask(),
    placeholderData: keepPreviousData,
    meta: { readRows: async (ids) => {
      const { items } = await ask({ id: ids.join() });
      return (data) => withRows(data as Rows<Approval>, ids, items);
    } },
  });
}

/** The list with these rows as they are now. Those like a new one have its history; what one that left does to theirs has to be read. */
function withRows(list: Rows<Approval>, ids: readonly string[], found: Approval[]): Rows<Approval> | undefined {
  const left = ids.filter((id) => !found.some((row) => row.id === id));
  if (list.items.some((row) => left.includes(row.id))) return undefined;
  const [now] = patched([list], ids, found, "desc", LIMIT) ?? [];
  return now && { ...now, items: now.items.map((row) => {
    const like = found.find((other) => other.pack === row.pack && other.target === row.target);
    return like === undefined ? row : { ...row, history: like.history };
  }) };
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
