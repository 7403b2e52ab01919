import type { Query, QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { type Connection, Feed, type LiveEvent } from "./feed";
import { socket } from "./socket";
import { onReadOlder, tell, toldUpTo } from "./told";

export const feed = new Feed(socket);

/** Which queries an event makes stale, by their first key. */
export function stale(event: LiveEvent): string[] {
  const [kind, fact] = event.name.split(".");
  switch (kind) {
    case "task":
      return ["tasks", "task", "packs"];
    case "call":
    case "tool":
      // What a task spent is known of a call when it has ended.
      return ["task", "costs", "budgets", "decisions", ...(fact === "settled" ? ["tasks"] : [])];
    case "approval":
      return ["approvals", "approval", "task"];
    case "kill":
      return ["kill", "switch", "task"];
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

/** The row of such a list that an event changes, where it is one. */
function rowOf(list: string, event: LiveEvent): string | null {
  const [kind] = event.name.split(".");
  if (list === "tasks" && (kind === "call" || kind === "tool")) return event.task;
  const itself = (list === "tasks" && kind === "task") || (list === "approvals" && kind === "approval");
  return itself ? (event.subject.split(".")[3] ?? null) : null;
}

const SOONEST_MS = 60;
/** Where single rows are all that was read: they are cheap. */
const SOONEST_ROWS_MS = 30;
const LATEST_MS = 3_000;
/** What is read over and over takes half of the time at most: who answers slowly is asked less often. */
const REST = 1;
/** When what was older than what was told is read again: the ledger is behind, and reads help it along. */
const OLDER_MS = 2_000;
/** What services keep beside the log, and change a moment before or after they tell of it: these are read twice. */
const KEPT_ASIDE: ReadonlySet<string> = new Set(["kill", "packs", "budgets", "keys", "users", "me", "sessions", "delegations"]);

/** Beyond as many rows, a list is read as a whole. */
const MOST_ROWS = 50;

/** What is to be read: some rows, or null for everything. */
type Wanted = ReadonlySet<string> | null;

/** What an event touched: read now, and not too often while more comes. */
class Reader {
  private due = 0;
  private wanted: Wanted = new Set();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading = false;
  private ended = false;

  constructor(
    private readonly read: (wanted: Wanted) => Promise<Done>,
    private readonly underWay: () => boolean,
    private readonly times: number,
  ) {}

  touch(rows: Wanted): void {
    this.due = this.times;
    this.wanted = together(this.wanted, rows);
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
    const wanted = this.wanted;
    // What the page asked by itself, before the event came, may be answered without it: joining that is no reading of what is due.
    if (!this.underWay() && --this.due === 0) this.wanted = new Set();
    this.reading = true;
    const began = performance.now();
    let soonest = SOONEST_MS;
    void this.read(wanted).then(({ again, rowsOnly }) => {
      if (rowsOnly) soonest = SOONEST_ROWS_MS;
      if (again) this.touch(wanted);
    }).finally(() => {
      this.reading = false;
      // Also where nothing is due: what comes in the meantime waits for the end of the rest.
      if (!this.ended) this.timer = setTimeout(this.go, Math.min(Math.max((performance.now() - began) * REST, soonest), LATEST_MS));
    });
  };
}

function together(one: Wanted, other: Wanted): Wanted {
  if (one === null || other === null) return null;
  const both = new Set([...one, ...other]);
  return both.size > MOST_ROWS ? null : both;
}

/** A reading: whether it is to be done again, as another got in its way, and whether single rows were all that was read. */
interface Done {
  again: boolean;
  rowsOnly: boolean;
}

/** Read queries again: of those that can take in single rows, these alone. */
async function readAgain(client: QueryClient, kind: string, wanted: Wanted): Promise<Done> {
  const shown = client.getQueryCache().findAll({ queryKey: [kind], type: "active" });
  const lists = wanted === null ? [] : shown.filter(takesRows);
  const whole = client.invalidateQueries({ queryKey: [kind], predicate: (query) => !lists.includes(query) }, { cancelRefetch: false });
  const taken = await Promise.all(lists.map((query) => takeIn(client, query, [...(wanted ?? [])])));
  await whole;
  return { again: taken.includes(false), rowsOnly: lists.length > 0 && lists.length === shown.length };
}

const takesRows = ({ meta, state }: Query): boolean => meta?.readRows !== undefined && state.data !== undefined && !state.isInvalidated;

/** Whether a list has taken in what these rows are now. */
async function takeIn(client: QueryClient, query: Query, rows: readonly string[]): Promise<boolean> {
  const before = query.state.dataUpdateCount;
  const idle = (): boolean => query.state.fetchStatus === "idle" && query.state.dataUpdateCount === before;
  if (!idle()) return false;
  const become = await query.meta?.readRows?.(rows).catch(() => undefined);
  // Of a person who has left, nothing is kept.
  if (client.getQueryCache().get(query.queryHash) !== query) return true;
  // What was read as a whole meanwhile may be older than these rows, and so may they be older than it.
  if (!idle()) return false;
  const data = become?.(query.state.data);
  if (data === undefined) await client.invalidateQueries({ queryKey: query.queryKey, exact: true }, { cancelRefetch: false });
  else client.setQueryData(query.queryKey, data);
  return true;
}

/** Refresh what the feed makes stale: the first event at once, those that follow many at a time, so that two hundred a second cost no more than a few. What is read waits until the ledger knows what was told (`told.ts`). */
export function refreshFrom(client: QueryClient, source: Feed): () => void {
  const readers = new Map<string, Reader>();
  const readerOf = (kind: string): Reader => {
    const reader = readers.get(kind) ?? new Reader(
      (wanted) => readAgain(client, kind, wanted),
      () => client.isFetching({ queryKey: [kind] }) > 0,
      KEPT_ASIDE.has(kind) ? 2 : 1,
    );
    readers.set(kind, reader);
    return reader;
  };
  const stopEvents = source.onEvent((event) => {
    tell(event.position);
    for (const kind of stale(event)) {
      const row = rowOf(kind, event);
      readerOf(kind).touch(row === null ? null : new Set([row]));
    }
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
