import { useQuery } from "@tanstack/react-query";

import { api, sent } from "../api/client";

/** Who is signed in, and what the active rules let them do. */
export function useMe() {
  return useQuery({ queryKey: ["me"], queryFn: () => sent(api.GET("/api/v1/auth/me")) });
}

/** Whether what needs `action` is worth showing; the gateway decides anyhow. */
export function useMay(action: string): boolean {
  return useMe().data?.actions.includes(action) ?? false;
}
