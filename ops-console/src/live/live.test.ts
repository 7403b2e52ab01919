import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Feed, type Heard } from "./feed";
import { refreshFrom } from "./live";

let on: Heard;
let stop: () => void;
let refreshed: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  refreshed = [];
  const client = new QueryClient();
  vi.spyOn(client, "invalidateQueries").mockImplementation((filters) => {
    refreshed.push(filters?.queryKey === undefined ? "everything" : filters.queryKey.join());
    return Promise.resolve();
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
  expect(refreshed).toEqual(["tasks", "task", "packs", "events"]);
});

test("two hundred events a second refresh no more often than some do, and the last of them is shown", async () => {
  for (let position = 2; position < 402; position++) {
    settle(position);
    await vi.advanceTimersByTimeAsync(5);
  }
  await vi.advanceTimersByTimeAsync(5_000);
  expect(refreshed.filter((kind) => kind === "tasks").length).toBe(5 + 1 + 3);
});

test("what the ledger has not taken in when an event is told is read again in a moment, and then no more", async () => {
  settle(2);
  await vi.advanceTimersByTimeAsync(1);
  refreshed = [];
  await vi.advanceTimersByTimeAsync(800);
  expect(refreshed.filter((kind) => kind === "task").length).toBe(2);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(refreshed.filter((kind) => kind === "task").length).toBe(3);
});

test("a gap has everything read again", () => {
  on.gap(900);
  expect(refreshed).toEqual(["everything"]);
});
