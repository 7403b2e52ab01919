import { useQuery } from "@tanstack/react-query";

import { api, item, page } from "../api/client";
import type { KillDetail, KillSwitch, Pack } from "../api/rows";

export function useKills() {
  return useQuery({ queryKey: ["kill"], queryFn: () => page<KillSwitch>(api.GET("/api/v1/kill")), refetchInterval: 15_000 });
}

export function useSwitch(id: string) {
  return useQuery({
    queryKey: ["switch", id],
    queryFn: () => item<KillDetail>(api.GET("/api/v1/kill/{switch}", { params: { path: { switch: id } } })),
  });
}

export function usePacks() {
  return useQuery({ queryKey: ["packs"], queryFn: () => page<Pack>(api.GET("/api/v1/packs")), refetchInterval: 15_000 });
}

export const SCOPES = ["global", "tenant", "pack", "agent", "provider", "model", "tool", "task"] as const;
export type Scope = (typeof SCOPES)[number];

const OVER = new Set(["settled", "completed", "failed", "refused", "cancelled", "expired"]);

/** Tasks of a pack that are not over. */
export function unsettled(pack: Pack): number {
  return Object.entries(pack.stats?.by_state ?? {}).reduce((sum, [state, tasks]) => sum + (OVER.has(state) ? 0 : tasks), 0);
}

/** Tasks of a pack that came to their end. */
export function settled(pack: Pack): number {
  return Object.entries(pack.stats?.by_state ?? {}).reduce((sum, [state, tasks]) => sum + (OVER.has(state) ? tasks : 0), 0);
}
