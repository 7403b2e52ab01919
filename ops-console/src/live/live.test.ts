import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Feed, type Heard } from "./feed";
import { refreshFrom } from "./live";
import { readOlder, toldUpTo } from "./told";

let on: Heard;
let stop: () => void;
let refreshed: string[];
let answersIn: Record<string, number>;
let client: QueryClient;
let readForReal: () => void;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  refreshed = [];
  answersIn = {};
  client = new QueryClient();
  const invalidated = vi.spyOn(client, "invalidateQueries").mockImplementation((filters) => {
    const kind = filters?.queryKey === undefined ? "everything" : filters.queryKey.join();
    refreshed.push(kind);
    return new Promise((resolve) => {
      const ms = answersIn[kind];
      if (ms === undefined) resolve();
      else setTimeout(resolve, ms);
    });
  });
  readForReal = () => invalidated.mockRestore();
  const feed = new Feed({
    open: (_, signal, heard) => {
      on = heard;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  });
  const stopRefreshing = refreshFrom(client, feed);
  const stopFeed = feed.start();
  stop = () => {
    stopFeed();
    stopRefreshing();
  };
  on.opened(1);
  refreshed = [];
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

const settle = (position: number): void => on.event({ position, name: "task.settled", subject: "", time: "", task: null, data: {} });

test("the first event after a quiet while is shown at once", async () => {
  settle(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(refreshed).toEqual(["tasks", "task", "packs"]);
});

test("two hundred events a second refresh no more often than some do, and the last of them is shown", async () => {
  for (let position = 2; position < 402; position++) {
    settle(position);
    await vi.advanceTimersByTimeAsync(5);
  }
  const during = refreshed.filter((kind) => kind === "tasks").length;
  expect(during).toBeLessThanOrEqual(2_000 / 60 + 1);
  await vi.advanceTimersByTimeAsync(5_000);
  const after = refreshed.filter((kind) => kind === "tasks").length - during;
  expect(after).toBeGreaterThanOrEqual(1);
  expect(after).toBeLessThanOrEqual(2);
});

test("an event has what the ledger tells read once, no older than the event; what is kept beside the log is read twice", async () => {
  settle(2);
  expect(toldUpTo()).toBe(2);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(refreshed.filter((kind) => kind === "task").length).toBe(1);
  expect(refreshed.filter((kind) => kind === "packs").length).toBe(2);
});

test("what was read older than what was told is read again later, all of it once", async () => {
  settle(2);
  await vi.advanceTimersByTimeAsync(10_000);
  refreshed = [];
  for (let reads = 0; reads < 5; reads++) readOlder();
  await vi.advanceTimersByTimeAsync(1_999);
  expect(refreshed).toEqual([]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(refreshed).toEqual(["everything"]);
});

test("an event that comes while the page asks by itself has it asked once more: that answer may not know of the event", async () => {
  let answer: ((rows: string) => void) | undefined;
  const asked = client.query({ queryKey: ["tasks", "waiting"], queryFn: () => new Promise<string>((resolve) => (answer = resolve)) });
  settle(2);
  await vi.advanceTimersByTimeAsync(50);
  expect(refreshed.filter((kind) => kind === "tasks").length).toBe(1);
  answer?.("nothing waits");
  await asked;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(refreshed.filter((kind) => kind === "tasks").length).toBe(2);
});

test("an installation whose data were put back is not asked for what it no longer has", () => {
  settle(900);
  on.gap(7);
  expect(toldUpTo()).toBe(7);
});

test("who answers slowly is asked less often, and holds up no other reading", async () => {
  answersIn = { tasks: 500 };
  for (let position = 2; position < 282; position++) {
    settle(position);
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(refreshed.filter((kind) => kind === "tasks").length).toBe(3);
  expect(refreshed.filter((kind) => kind === "packs").length).toBeGreaterThan(20);
});

const told = (position: number, name: string, row: string, task: string | null = null): void =>
  on.event({ position, name, subject: `evt.t.${name.split(".")[0] ?? ""}.${row}.${name.split(".")[1] ?? ""}`, time: "", task, data: {} });

/** A list that takes in single rows: what it is read as, what is asked of it, and how long these answers take. */
function listed(state: { whole: string; rowsIn?: number; fails?: boolean }): { asked: string[][]; data: () => unknown; reads: () => number; leave: () => void } {
  const asked: string[][] = [];
  let reads = 0;
  const observer = new QueryObserver(client, {
    queryKey: ["tasks", {}],
    queryFn: () => {
      reads++;
      return state.whole;
    },
    staleTime: Infinity,
    meta: { readRows: async (ids) => {
      asked.push([...ids]);
      await new Promise((resolve) => setTimeout(resolve, state.rowsIn ?? 0));
      if (state.fails === true) throw new Error("the gateway is away");
      return (data) => `${String(data)} ${ids.join()}`;
    } },
  });
  const leave = observer.subscribe(() => undefined);
  return { asked, data: () => client.getQueryData(["tasks", {}]), reads: () => reads, leave };
}

test("of a list that takes in single rows, those are read that events name, and what nobody looks at is read when it is looked at", async () => {
  readForReal();
  const list = listed({ whole: "all" });
  await vi.advanceTimersByTimeAsync(10);
  told(2, "task.started", "a");
  told(3, "task.settled", "a");
  told(4, "call.settled", "k", "b");
  await vi.advanceTimersByTimeAsync(500);
  expect(list.asked).toEqual([["a", "b"]]);
  expect(list.data()).toBe("all a,b");
  expect(list.reads()).toBe(1);
  list.leave();
  told(5, "task.started", "c");
  await vi.advanceTimersByTimeAsync(500);
  expect(list.asked.length).toBe(1);
  expect(client.getQueryState(["tasks", {}])?.isInvalidated).toBe(true);
});

test("what an event says of no row, and what is said of too many, has the list read as a whole", async () => {
  readForReal();
  const list = listed({ whole: "all" });
  await vi.advanceTimersByTimeAsync(10);
  told(2, "call.settled", "k");
  await vi.advanceTimersByTimeAsync(500);
  expect([list.asked.length, list.reads()]).toEqual([0, 2]);
  for (let row = 0; row < 51; row++) told(3 + row, "task.started", `r${row}`);
  await vi.advanceTimersByTimeAsync(500);
  expect([list.asked.length, list.reads()]).toEqual([0, 3]);
});

test("rows that were read while the list was read as a whole are read again: nobody knows which is newer", async () => {
  readForReal();
  const list = listed({ whole: "all", rowsIn: 100 });
  await vi.advanceTimersByTimeAsync(10);
  told(2, "task.started", "a");
  await vi.advanceTimersByTimeAsync(50);
  await client.refetchQueries({ queryKey: ["tasks"] });
  await vi.advanceTimersByTimeAsync(60);
  expect(list.data()).toBe("all");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(list.asked).toEqual([["a"], ["a"]]);
  expect(list.data()).toBe("all a");
});

test("where rows cannot be read, the list is, which says why", async () => {
  readForReal();
  const list = listed({ whole: "all", fails: true });
  await vi.advanceTimersByTimeAsync(10);
  told(2, "task.started", "a");
  await vi.advanceTimersByTimeAsync(500);
  expect([list.asked.length, list.reads(), list.data()]).toEqual([1, 2, "all"]);
});

test("rows that come when their reader has left are kept for nobody", async () => {
  readForReal();
  const list = listed({ whole: "all", rowsIn: 100 });
  await vi.advanceTimersByTimeAsync(10);
  told(2, "task.started", "a");
  await vi.advanceTimersByTimeAsync(50);
  list.leave();
  client.clear();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(list.data()).toBeUndefined();
});

test("a gap has everything read again", () => {
  on.gap(900);
  expect(refreshed).toEqual(["everything"]);
});
