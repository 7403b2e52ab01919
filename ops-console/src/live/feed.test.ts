import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ARRIVED, Feed, type Heard, type LiveEvent, type Transport } from "./feed";

/** A gateway of which the test says what it tells, and when a connection is lost. */
class Wire implements Transport {
  readonly opened: { after: number | null; on: Heard; lose: () => void }[] = [];

  open(after: number | null, signal: AbortSignal, on: Heard): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => resolve());
      this.opened.push({ after, on, lose: () => reject(new Error("lost")) });
    });
  }

  get last() {
    const last = this.opened.at(-1);
    if (last === undefined) throw new Error("nothing was opened");
    return last;
  }
}

const event = (position: number): LiveEvent => ({ position, name: "task.settled", subject: `evt.t.task.${position}.settled`, time: "2026-11-21T12:00:00Z", task: null, data: {} });

let wire: Wire;
let feed: Feed;
let stop: () => void;
let heard: number[];
let caughtUp: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  vi.spyOn(console, "info").mockImplementation(() => undefined);
  wire = new Wire();
  feed = new Feed(wire);
  heard = [];
  caughtUp = 0;
  feed.onEvent(({ position }) => heard.push(position));
  feed.onCatchUp(() => (caughtUp += 1));
  stop = feed.start();
});
afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function lost(): Promise<void> {
  wire.last.lose();
  await vi.advanceTimersByTimeAsync(0);
}

test("a first connection begins with what comes next, and what was read before is read again", () => {
  expect(wire.last.after).toBeNull();
  wire.last.on.opened(40);
  expect([feed.connection, feed.position, caughtUp]).toEqual(["live", 40, 1]);
});

test("a lost connection resumes after the last event, with neither gap nor double, and nothing is read again", async () => {
  wire.last.on.opened(40);
  wire.last.on.event(event(41));
  wire.last.on.event(event(42));
  await lost();
  expect(feed.connection).toBe("lost");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(wire.last.after).toBe(42);
  wire.last.on.opened(44);
  for (const position of [42, 43, 44]) wire.last.on.event(event(position));
  expect([heard, caughtUp, feed.connection]).toEqual([[41, 42, 43, 44], 1, "live"]);
});

test("a connection that was made but told nothing resumes from where it began", async () => {
  wire.last.on.opened(40);
  await lost();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(wire.last.after).toBe(40);
});

test("a gap has everything read again, and the feed goes on from there", async () => {
  wire.last.on.opened(40);
  await lost();
  await vi.advanceTimersByTimeAsync(1_000);
  wire.last.on.opened(90_000);
  wire.last.on.gap(90_000);
  wire.last.on.event(event(90_001));
  expect([heard, caughtUp]).toEqual([[90_001], 2]);
});

test("an installation whose data were put back is followed from its own, lower position", async () => {
  wire.last.on.opened(40_000);
  await lost();
  await vi.advanceTimersByTimeAsync(1_000);
  wire.last.on.opened(7);
  wire.last.on.gap(7);
  wire.last.on.event(event(8));
  expect([heard, feed.position]).toEqual([[8], 8]);
});

test("tries come ever more seldom, at most every 20 s, never in step; a connection that stands begins anew", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  const waits: number[] = [];
  for (let tried = 0; tried < 8; tried++) {
    const tries = wire.opened.length;
    await lost();
    let waited = 0;
    while (wire.opened.length === tries) {
      await vi.advanceTimersByTimeAsync(125);
      waited += 125;
    }
    waits.push(waited);
  }
  expect(waits).toEqual([375, 750, 1_500, 3_000, 6_000, 11_250, 11_250, 11_250]);
  vi.spyOn(Math, "random").mockReturnValue(0.999);
  wire.last.on.opened(1);
  const tries = wire.opened.length;
  await lost();
  await vi.advanceTimersByTimeAsync(600);
  expect(wire.opened.length).toBe(tries);
  await vi.advanceTimersByTimeAsync(25);
  expect(wire.opened.length).toBe(tries + 1);
});

test("who is back on the network does not wait for the next try", async () => {
  for (let tried = 0; tried < 6; tried++) {
    await lost();
    await vi.advanceTimersByTimeAsync(20_000);
  }
  await lost();
  const tries = wire.opened.length;
  feed.retry();
  await vi.advanceTimersByTimeAsync(0);
  expect(wire.opened.length).toBe(tries + 1);
});

test("a feed that was stopped tries no more", async () => {
  wire.last.on.opened(1);
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(wire.opened.length).toBe(1);
});

test("each arrival can be measured, and none is kept", () => {
  const marks = vi.spyOn(performance, "mark");
  wire.last.on.opened(1);
  for (let position = 2; position < 1_000; position++) wire.last.on.event(event(position));
  expect(marks).toHaveBeenCalledTimes(998);
  expect(marks.mock.calls[0]).toEqual([ARRIVED, { detail: { position: 2, name: "task.settled", subject: event(2).subject, stored: "2026-11-21T12:00:00Z" } }]);
  expect(performance.getEntriesByName(ARRIVED)).toEqual([]);
});
