import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api, item, sent } from "../api/client";
import { count } from "../parts/format";
import type { Scope } from "./kill";

const OPEN = "submitted,queued,admitted,routed,running,waiting,retrying";
const EVERY_MS = 3_000;

/** In words, what a switch of this scope would stop right now. */
async function reach(scope: Scope, target: string): Promise<string> {
  if (scope === "provider" || scope === "model") {
    const { routers } = await sent(api.GET("/api/v1/models"));
    const targets = Object.values(routers).flatMap((router) => Object.entries(router.targets));
    const hit = targets.filter(([name]) => (scope === "model" ? name === target : name.startsWith(`${target}/`)));
    const known = new Set(hit.map(([name]) => name)).size;
    const calls = hit.reduce((sum, [, health]) => sum + health.in_flight, 0);
    if (known === 0) return `No ${scope} of this name was called lately. Every call of it is refused from now on.`;
    return `${count(calls)} ${calls === 1 ? "call" : "calls"} in flight will stop; every further call of this ${scope} is refused.`;
  }
  if (scope === "tool") return "Every call of this tool is refused from now on, and what is in flight is stopped.";
  if (scope === "task") {
    const row = await item<{ state: string; type: string }>(api.GET("/api/v1/tasks/{task}", { params: { path: { task: target } } }));
    return row.state === "settled" ? `This ${row.type} is over already: nothing will stop.` : `1 task, ${row.type}, which is ${row.state}, will stop.`;
  }
  const [pack = "", agent] = target.split("/");
  const query = { state: OPEN, count: true, limit: 1, ...(scope === "pack" || scope === "agent" ? { pack } : {}), ...(scope === "agent" && agent !== undefined ? { agent } : {}) };
  const { count: found } = await sent(api.GET("/api/v1/tasks", { params: { query } }));
  const tasks = found?.n ?? 0;
  return `${count(tasks)}${found?.more === true ? "+" : ""} unsettled ${tasks === 1 ? "task" : "tasks"} will stop.`;
}

/** What a switch would stop, counted anew every few seconds while somebody thinks about it. */
export function useReach(scope: Scope, target: string): { text: string | null; error: unknown } {
  const aimed = target.trim();
  const wide = scope === "global" || scope === "tenant";
  const ready = wide || (scope === "agent" ? /^[^/]+\/[^/]+$/.test(aimed) : scope === "task" ? aimed.length >= 32 : aimed !== "");
  const answer = useQuery({
    queryKey: ["reach", scope, wide ? "" : aimed], queryFn: () => reach(scope, aimed), enabled: ready, refetchInterval: EVERY_MS, retry: false, placeholderData: keepPreviousData,
  });
  return { text: ready ? (answer.data ?? null) : null, error: ready ? answer.error : null };
}

/** Names that a target may have, to choose from. */
export function useTargets(scope: Scope): string[] {
  const models = useQuery({ queryKey: ["models"], queryFn: () => sent(api.GET("/api/v1/models")), enabled: scope === "provider" || scope === "model", retry: false });
  const agents = useQuery({ queryKey: ["agents"], queryFn: () => sent(api.GET("/api/v1/agents")), enabled: scope === "pack" || scope === "agent", retry: false });
  const routers = Object.values(models.data?.routers ?? {});
  const names = scope === "model" ? routers.flatMap((each) => Object.keys(each.targets)) : scope === "provider" ? routers.flatMap((each) => Object.keys(each.providers))
    : scope === "pack" ? (agents.data?.items ?? []).map((each) => each.pack) : scope === "agent" ? (agents.data?.items ?? []).map((each) => `${each.pack}/${each.agent}`) : [];
  return [...new Set(names)].sort();
}
