import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { type Connection, Feed, type LiveEvent } from "./feed";
import { socket } from "./socket";

export const feed = new Feed(socket);

/** Which queries an event makes stale, by their first key. */
export function stale(event: LiveEvent): string[] {
  const kind = event.name.split(".")[0];
  switch (kind) {
    case "task":
      return ["tasks", "task", "packs"];
    case "call":
    case "tool":
      return ["task", "costs", "budgets", "decisions"];
    case "approval":
      return ["approvals", "approval", "task", "tasks"];
    case "kill":
      return ["kill", "switch", "tasks", "task"];
    case "audit":
      return ["audit"];
    case "apikey":
      return ["keys"];
    case "user":
      return ["users", "me"];
    case "session":
      return ["sessions", "users"];
    case "delegation":
      return ["delegations"];
    default:
      return [];
  }
}

const EVERY_MS = 400;
/** How often what an event touched is read once more after it: an event is told when it is stored, and the ledger takes it in a little later. */
const ECHOES = 3;

/** Refresh what the feed makes stale: the first event at once, those that follow many at a time, so that two hundred a second cost no more than two. */
export function refreshFrom(client: QueryClient, source: Feed): () => void {
  /** Kinds, and how often each is still to be read. */
  const waiting = new Map<string, number>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    const kinds = [...waiting.keys()];
    for (const [kind, left] of waiting) {
      if (left > 1) waiting.set(kind, left - 1);
      else waiting.delete(kind);
    }
    timer = kinds.length === 0 ? undefined : setTimeout(flush, EVERY_MS);
    for (const kind of kinds) void client.invalidateQueries({ queryKey: [kind] }, { cancelRefetch: false });
  };
  const stopEvents = source.onEvent((event) => {
    for (const kind of [...stale(event), "events"]) waiting.set(kind, 1 + ECHOES);
    // After the event's own turn: what was missed comes in one go and is one refresh.
    timer ??= setTimeout(flush, 0);
  });
  const stopCatchUp = source.onCatchUp(() => void client.invalidateQueries());
  return () => {
    clearTimeout(timer);
    stopEvents();
    stopCatchUp();
  };
}

export function useConnection(): Connection {
  return useSyncExternalStore(feed.onConnection, () => feed.connection);
}
