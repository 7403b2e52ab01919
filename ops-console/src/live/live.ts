import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { type Connection, Feed, type LiveEvent } from "./feed";
import { socket } from "./socket";
import { onReadOlder, tell, toldUpTo } from "./told";

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
    case "agent":
    case "presence":
      return ["agents", "agent", "packs"];
    case "user":
      return ["users", "me"];
    case "session":
      return ["sessions", "users"];
    case "deadletter":
      return ["deadletters", "deadletter"];
    case "delegation":
      return ["delegations"];
    default:
      return [];
  }
}

const SOONEST_MS = 60;
const LATEST_MS = 3_000;
/** What is read over and over takes half of the time at most: who answers slowly is asked less often. */
const REST = 1;
/** When what was older than what was told is read again: the ledger is behind, and reads help it along. */
const OLDER_MS = 2_000;
/** What services keep beside the log, and change a moment before or after they tell of it: these are read twice. */
const KEPT_ASIDE: ReadonlySet<string> = new Set(["kill", "packs", "budgets", "keys", "users", "me", "sessions", "delegations"]);

/** What an event touched: read now, and not too often while more comes. */
class Reader {
  private due = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading = false;
  private ended = false;

  constructor(
    private readonly read: () => Promise<void>,
    private readonly underWay: () => boolean,
    private readonly times: number,
  ) {}

  touch(): void {
    this.due = this.times;
    // After the event's own turn: what was missed comes in one go and is read once.
    if (!this.reading) this.timer ??= setTimeout(this.go, 0);
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
  }

  private go = (): void => {
    this.timer = undefined;
    if (this.due === 0) return;
    // What the page asked by itself, before the event came, may be answered without it: joining that is no reading of what is due.
    if (!this.underWay()) this.due--;
    this.reading = true;
    const began = performance.now();
    void this.read().finally(() => {
      this.reading = false;
      // Also where nothing is due: what comes in the meantime waits for the end of the rest.
      if (!this.ended) this.timer = setTimeout(this.go, Math.min(Math.max((performance.now() - began) * REST, SOONEST_MS), LATEST_MS));
    });
  };
}

/** Refresh what the feed makes stale: the first event at once, those that follow many at a time, so that two hundred a second cost no more than a few. What is read waits until the ledger knows what was told (`told.ts`). */
export function refreshFrom(client: QueryClient, source: Feed): () => void {
  const readers = new Map<string, Reader>();
  const readerOf = (kind: string): Reader => {
    const reader = readers.get(kind) ?? new Reader(
      () => client.invalidateQueries({ queryKey: [kind] }, { cancelRefetch: false }),
      () => client.isFetching({ queryKey: [kind] }) > 0,
      KEPT_ASIDE.has(kind) ? 2 : 1,
    );
    readers.set(kind, reader);
    return reader;
  };
  const stopEvents = source.onEvent((event) => {
    tell(event.position);
    for (const kind of stale(event)) readerOf(kind).touch();
  });
  const stopCatchUp = source.onCatchUp(() => {
    // What comes next may begin lower than what was told: an installation whose data were put back.
    tell(Math.min(toldUpTo(), source.position ?? 0));
    void client.invalidateQueries();
  });
  let older: ReturnType<typeof setTimeout> | undefined;
  const stopOlder = onReadOlder(() => {
    older ??= setTimeout(() => {
      older = undefined;
      void client.invalidateQueries({ type: "active" }, { cancelRefetch: false });
    }, OLDER_MS);
  });
  return () => {
    clearTimeout(older);
    stopOlder();
    stopEvents();
    stopCatchUp();
    for (const reader of readers.values()) reader.end();
  };
}

export function useConnection(): Connection {
  return useSyncExternalStore(feed.onConnection, () => feed.connection);
}
