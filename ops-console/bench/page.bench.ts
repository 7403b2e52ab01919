import { appendFileSync } from "node:fs";

import { type CDPSession, expect, test } from "@playwright/test";

import { OPERATOR, over, refuseAll, SENDER, signIn, submit, until } from "../e2e/system";
import { tap } from "../e2e/tapped";

const TASKS = Number(process.env["BENCH_TASKS"] ?? 120);
const TASKS_PER_S = Number(process.env["BENCH_TASKS_PER_S"] ?? 3);
const OPENINGS = 9;
const OPEN_EVENTS = Number(process.env["BENCH_EVENTS"] ?? 1_000_000);
const OPEN_RATE = Number(process.env["BENCH_RATE"] ?? 8_000);
const SAMPLES = 12;
/** A console that is open for a day gets two hundred events in each second of it. */
const DAY = 24 * 3_600 * 200;

function report(figures: object): void {
  const path = process.env["BENCH_OUT"];
  if (path === undefined) throw new Error("BENCH_OUT is not set: run this through python -m bench.console_page");
  appendFileSync(path, `${JSON.stringify(figures)}\n`);
}

const sorted = (values: number[]): number[] => [...values].sort((one, other) => one - other);
function at(values: number[], share: number): number {
  const found = sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN;
  return Math.round(found * 10) / 10;
}
const spread = (values: number[]): object => ({ n: values.length, p50: at(values, 0.5), p95: at(values, 0.95), p99: at(values, 0.99), worst: at(values, 1) });

interface Watched { told: number[]; drawn: number[]; changed: number[]; events: number; from: number; to: number }

/** Milliseconds from when an event was made, just before it is stored, to the frame that shows its row: both clocks are this machine's. */
test("events are drawn while work goes on", async ({ page, request }) => {
  await submit(request, "Checkout fails with a card");
  await signIn(page, "/tasks", OPERATOR());
  const table = page.getByRole("table", { name: "Tasks" });
  await expect(table.getByRole("row")).not.toHaveCount(1);
  await page.evaluate(() => {
    const watched: Watched = { told: [], drawn: [], changed: [], events: 0, from: Date.now(), to: 0 };
    Object.assign(window, { watched });
    const submitted = new Map<string, number>();
    const suspended = new Map<string, number>();
    new PerformanceObserver((list) => {
      for (const mark of list.getEntriesByName("agentos:event")) {
        const { name, stored, subject } = (mark as PerformanceMark).detail as { name: string; stored: string; subject: string };
        watched.events++;
        watched.told.push(performance.timeOrigin + mark.startTime - Date.parse(stored));
        const task = subject.split(".")[3]?.slice(-10) ?? "";
        if (name === "task.submitted") submitted.set(task, Date.parse(stored));
        if (name === "task.suspended") suspended.set(task, Date.parse(stored));
      }
    }).observe({ entryTypes: ["mark"] });
    const look = (): void => {
      // What waits above the list is asked for at once, as by somebody who watches.
      [...document.querySelectorAll("button")].find((button) => /^\d+ new/.test(button.textContent))?.click();
      const drawn: [number[], number][] = [];
      for (const row of document.querySelectorAll<HTMLElement>("[data-row]")) {
        const text = row.textContent;
        const task = row.dataset["row"]?.slice(-10) ?? "";
        const came = submitted.get(task);
        if (came !== undefined) drawn.push([watched.drawn, came]);
        submitted.delete(task);
        const waits = text.startsWith("waiting") ? suspended.get(task) : undefined;
        if (waits === undefined) continue;
        drawn.push([watched.changed, waits]);
        suspended.delete(task);
      }
      // This frame is painted when the next one begins.
      requestAnimationFrame(() => {
        for (const [list, since] of drawn) list.push(Date.now() - since);
        look();
      });
    };
    look();
  });
  const began = Date.now();
  for (let number = 0; number < TASKS; number++) {
    void submit(request, `The export of page ${number} stops half-way`);
    await page.waitForTimeout(Math.max(0, began + ((number + 1) * 1_000) / TASKS_PER_S - Date.now()));
  }
  const watched = (): Promise<Watched> => page.evaluate(() => Object.assign((window as unknown as { watched: Watched }).watched, { to: Date.now() }));
  await expect.poll(async () => (await watched()).drawn.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(TASKS);
  const told = await watched();
  const load = { events_per_s: Math.round((told.events * 1_000) / (told.to - told.from)) };
  report({ what: "stored to told by the socket, ms", ...spread(told.told) });
  report({ what: "stored to drawn, ms: a new task's row", ...spread(told.drawn), ...load });
  report({ what: "stored to drawn, ms: a task that now waits", ...spread(told.changed) });
  await refuseAll(request);
});

/** From the key that opens it to the drawn waterfall, of a real task of five thousand events. */
test("a long timeline is drawn", async ({ page, request }) => {
  const answer = await request.post("/api/v1/tasks", { headers: { Authorization: `Bearer ${SENDER()}` }, data: { type: "long", input: { calls: 80, clocks: 4_680 } } });
  expect(answer.status(), await answer.text()).toBe(201);
  const { task } = (await answer.json()) as { task: string };
  await expect(async () => until(request, task, over)).toPass({ timeout: 240_000 });
  await signIn(page, "/tasks?type=long");
  const took: number[] = [];
  const asked: number[] = [];
  let steps = 0;
  for (let opening = 0; opening < OPENINGS; opening++) {
    await page.goto("/tasks?type=long");
    const row = page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(1);
    await row.focus();
    await page.evaluate(() => {
      performance.clearResourceTimings();
      addEventListener("keydown", () => {
        const began = performance.now();
        const look = (): void => {
          const bars = document.querySelectorAll("[aria-label=Steps] > li").length;
          if (bars < 5) requestAnimationFrame(look);
          else requestAnimationFrame(() => Object.assign(window, { drawn: performance.now() - began }));
        };
        look();
      }, { once: true, capture: true });
    });
    await page.keyboard.press("Enter");
    await expect.poll(() => page.evaluate(() => "drawn" in window), { timeout: 30_000 }).toBe(true);
    const found = await page.evaluate(() => ({
      drawn: (window as unknown as { drawn: number }).drawn,
      asked: performance.getEntriesByType("resource").filter((each) => each.name.includes("/timeline")).reduce((sum, each) => sum + each.duration, 0),
      steps: Number(document.querySelector("[aria-label=Steps] > li")?.getAttribute("aria-setsize")),
    }));
    took.push(found.drawn);
    asked.push(found.asked);
    steps = found.steps;
    await page.evaluate(() => Reflect.deleteProperty(window, "drawn"));
  }
  const headers = { Authorization: `Bearer ${OPERATOR()}` };
  const { spans } = (await (await request.get(`/api/v1/tasks/${task}/timeline`, { headers })).json()) as { spans: { position: number; end_position: number | null }[] };
  const events = new Set(spans.flatMap((span) => [span.position, span.end_position])).size;
  report({ what: "timeline drawn, ms", events, steps, ...spread(took), of_that_waiting_for_the_answer_p50: at(asked, 0.5) });
});

interface Told { events: number; delays: number[]; longest: number; long: number }

async function weight(chromium: CDPSession): Promise<{ kb: number; nodes: number; listeners: number }> {
  for (let round = 0; round < 2; round++) await chromium.send("HeapProfiler.collectGarbage");
  const { metrics } = await chromium.send("Performance.getMetrics");
  const of = (wanted: string): number => metrics.find(({ name }) => name === wanted)?.value ?? NaN;
  return { kb: Math.round(of("JSHeapUsedSize") / 1_024), nodes: of("Nodes"), listeners: of("JSEventListeners") };
}

/** A page whose socket is given many events, and what they make stale is fetched for real: how heavy it gets, how late it hears a key. Walks through the pages meanwhile, as a day does. */
test("a console stays open", async ({ page, context, request }) => {
  test.setTimeout((OPEN_EVENTS / OPEN_RATE) * 3_000 + 120_000);
  const task = await submit(request, "Attachments arrive twice by e-mail");
  await until(request, task, (row) => row.state !== "submitted");
  await tap(page);
  await signIn(page, "/tasks", OPERATOR());
  const chromium = await context.newCDPSession(page);
  await chromium.send("Performance.enable");
  await page.evaluate(({ rate, total }) => {
    const told: Told = { events: 0, delays: [], longest: 0, long: 0 };
    Object.assign(window, { told });
    // From the press to the frame after it: what a person sees of a key.
    addEventListener("keydown", (event) => requestAnimationFrame(() => requestAnimationFrame((painted) => told.delays.push(painted - event.timeStamp))), { capture: true });
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) {
        told.long++;
        told.longest = Math.max(told.longest, task.duration);
      }
    }).observe({ type: "longtask" });
    const { flood } = window as unknown as { flood: () => void };
    const began = performance.now();
    const feeding = setInterval(() => {
      const due = Math.min(((performance.now() - began) / 1_000) * rate, total);
      // Never more than a part of a frame in one go: the socket, too, gives the page its turn between messages.
      const until = performance.now() + 8;
      while (told.events < due && performance.now() < until) {
        flood();
        told.events++;
      }
      if (told.events >= total) clearInterval(feeding);
    }, 16);
  }, { rate: OPEN_RATE, total: OPEN_EVENTS });
  const events = (): Promise<number> => page.evaluate(() => (window as unknown as { told: Told }).told.events);
  const began = Date.now();
  const weights: { events: number; kb: number; nodes: number; listeners: number }[] = [];
  for (let sample = 1; sample <= SAMPLES; sample++) {
    // Off to other pages and back: what they keep when they are left would show.
    for (const key of ["o", "a", "k", "d", "t"]) {
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      await page.waitForTimeout(400);
    }
    await expect(page.getByRole("table", { name: "Tasks" })).toBeVisible();
    do {
      for (const key of ["j", "k"]) {
        await page.keyboard.press(key);
        await page.waitForTimeout(150);
      }
    } while ((await events()) < (OPEN_EVENTS * sample) / SAMPLES);
    weights.push({ events: await events(), ...(await weight(chromium)) });
  }
  const told = await page.evaluate(() => (window as unknown as { told: Told }).told);
  // In the first half, what is fetched, drawn and compiled for the first time shows too.
  const settled = weights.slice(SAMPLES / 2);
  const per_million = slope(settled.map((each) => [each.events / 1e6, each.kb]));
  report({
    what: "open console", events: told.events, minutes: Math.round((Date.now() - began) / 6_000) / 10, of_a_day_at_200_per_s: Math.round((told.events / DAY) * 1_000) / 1_000,
    heap_kb: weights.map((each) => each.kb), heap_kb_per_million_events: Math.round(per_million), nodes: weights.map((each) => each.nodes), listeners: weights.map((each) => each.listeners),
  });
  report({ what: "open console, ms from a key to its frame", ...spread(told.delays), tasks_over_50_ms: told.long, longest_task: Math.round(told.longest) });
});

/** Of the line that lies closest to the points. */
function slope(points: [number, number][]): number {
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}
