import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Feed, type Heard } from "./feed";
import { refreshFrom } from "./live";
import { readOlder, toldUpTo } from "./told";

let on: Heard;
let stop: () => void;
let refreshed: string[];
let answersIn: Record<string, number>;
let client: QueryClient;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  refreshed = [];
  answersIn = {};
  client = new QueryClient();
  vi.spyOn(client, "invalidateQueries").mockImplementation((filters) => {
    const kind = filters?.queryKey === undefined ? "everything" : filters.queryKey.join();
    refreshed.push(kind);
    return new Promise((resolve) => {
      const ms = answersIn[kind];
      if (ms === undefined) resolve();
      else setTimeout(resolve, ms);
    });
  });
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

test("a gap has everything read again", () => {
  on.gap(900);
  expect(refreshed).toEqual(["everything"]);
});
