import { appendFileSync } from "node:fs";

import { type CDPSession, expect, test } from "@playwright/test";

import { OPERATOR, over, signIn, submit, until } from "../e2e/system";

const SUBMITTED = Number(process.env["BENCH_SUBMITTED"] ?? 25);
const SOAK_S = Number(process.env["BENCH_SOAK_S"] ?? 60);
const RATE = Number(process.env["BENCH_RATE"] ?? 5_000);
const SPANS = 5_000;
const STEP_S = 10;

function report(figures: object): void {
  const path = process.env["BENCH_OUT"];
  if (path === undefined) throw new Error("BENCH_OUT is not set: run this through python -m bench.console_page");
  appendFileSync(path, `${JSON.stringify(figures)}\n`);
}

function at(sorted: number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN);
}

/** Milliseconds from when a submission was stored to the frame that shows it: both clocks are this machine's. */
test("an event is painted", async ({ page, request }) => {
  const first = await submit(request, "Checkout fails with a card");
  await until(request, first, (row) => row.state !== "submitted");
  await signIn(page, "/tasks", OPERATOR());
  await expect(page.getByRole("table", { name: "Tasks" })).toBeVisible();
  await page.evaluate(() => {
    const seen: { stored: number[]; painted: number[] } = { stored: [], painted: [] };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const mark of list.getEntries()) {
        const { name, stored } = (mark as PerformanceMark).detail as { name: string; stored: string };
        if (name === "task.submitted") seen.stored.push(new Date(stored).getTime());
      }
    }).observe({ type: "mark" });
    let shown = 0;
    new MutationObserver(() => {
      const fresh = Number(/(\d+) new/.exec(document.body.innerText)?.[1] ?? 0);
      const more = fresh - shown;
      shown = Math.max(fresh, shown);
      // The frame after the next one begins when the next one is painted.
      if (more > 0) requestAnimationFrame(() => requestAnimationFrame(() => seen.painted.push(...Array<number>(more).fill(Date.now()))));
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  for (let number = 0; number < SUBMITTED; number++) {
    await submit(request, `The export of page ${number} stops half-way`);
    await page.waitForTimeout(900);
  }
  await expect.poll(() => page.evaluate(() => (window as unknown as { seen: { painted: number[] } }).seen.painted.length), { timeout: 30_000 }).toBe(SUBMITTED);
  const { stored, painted } = await page.evaluate(() => (window as unknown as { seen: { stored: number[]; painted: number[] } }).seen);
  const took = painted.map((end, place) => end - (stored[place] ?? NaN)).sort((a, b) => a - b);
  report({ what: "stored to painted, ms", n: took.length, p50: at(took, 0.5), p95: at(took, 0.95), worst: took.at(-1) });
});

/** From the click to the drawn waterfall; the answer is a real task's, with its spans repeated to five thousand. */
test("a long timeline is drawn", async ({ page, request }) => {
  const task = await submit(request, "Search finds nothing after an update");
  await until(request, task, (row) => over(row) || row.approvals.length > 0);
  await page.route(`**/api/v1/tasks/${task}/timeline*`, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.json()) as { data?: unknown; spans?: Record<string, unknown>[] };
    const spans = body.spans ?? [];
    const root = spans[0];
    const long = Array.from({ length: SPANS }, (_, number) => {
      const span = spans[1 + (number % Math.max(1, spans.length - 1))] ?? root;
      return { ...span, id: `${String(span?.["id"])}-${number}`, parent: root?.["id"] ?? null };
    });
    await route.fulfill({ response: answer, json: { ...body, spans: [root, ...long] } });
  });
  await signIn(page, "/tasks", OPERATOR());
  const took: number[] = [];
  for (let round = 0; round < 7; round++) {
    await page.goto("/tasks");
    await expect(page.getByRole("table", { name: "Tasks" })).toBeVisible();
    took.push(await page.evaluate(async (to) => {
      const began = performance.now();
      history.pushState({}, "", to);
      window.dispatchEvent(new PopStateEvent("popstate"));
      while (!/5,00\d steps/.test(document.body.innerText)) {
        if (performance.now() - began > 30_000) throw new Error(document.body.innerText.slice(0, 500));
        await new Promise((done) => requestAnimationFrame(done));
      }
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return performance.now() - began;
    }, `/tasks/${task}`));
  }
  took.sort((a, b) => a - b);
  report({ what: `timeline of ${SPANS} spans, ms`, n: took.length, p50: at(took, 0.5), worst: at(took, 1) });
});

async function heap(chromium: CDPSession): Promise<number> {
  await chromium.send("HeapProfiler.collectGarbage");
  const { metrics } = await chromium.send("Performance.getMetrics");
  return Math.round((metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? NaN) / 1024);
}

/** Frames like the gateway's, given to the page's own socket handler as fast as told; what they make stale is fetched for real. */
test("a console stays open", async ({ page, context }) => {
  await page.addInitScript(() => {
    const Real = WebSocket;
    class Tapped extends Real {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        if (String(url).endsWith("/api/v1/ws")) Object.assign(window, { tapped: this });
      }
    }
    Object.assign(window, { WebSocket: Tapped });
  });
  await signIn(page, "/tasks", OPERATOR());
  const chromium = await context.newCDPSession(page);
  await chromium.send("Performance.enable");
  await page.evaluate((rate) => {
    const names = ["task.submitted", "task.queued", "task.started", "call.requested", "call.decided", "call.settled", "tool.settled", "approval.requested", "task.ended", "task.settled"];
    const told = { events: 0, delays: [] as number[] };
    Object.assign(window, { told });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as PerformanceEventTiming[]) if (entry.name === "keydown") told.delays.push(entry.processingStart - entry.startTime);
    }).observe({ type: "event", durationThreshold: 16 } as PerformanceObserverInit);
    let position = 1_000_000_000;
    const one = (): void => {
      const name = names[told.events % names.length] ?? "";
      const id = `0192${String(told.events).padStart(28, "0")}`;
      const frame = { type: "event", position: ++position, event: name, subject: `evt.default.${name.split(".")[0]}.${id}.${name.split(".")[1]}`, time: new Date().toISOString(), correlation_id: id, data: { verdict: "allow", rules: ["tasks.allow"], context: { task: id, pack: "engineering", agent: "triager" } } };
      const { tapped } = window as unknown as { tapped: WebSocket };
      tapped.onmessage?.(new MessageEvent("message", { data: JSON.stringify(frame) }));
      told.events++;
    };
    const began = performance.now();
    setInterval(() => {
      const due = Math.min(((performance.now() - began) / 1000) * rate, told.events + rate / 5);
      // Never more than a frame's worth in one go: the socket, too, gives the page its turn between messages.
      const until = performance.now() + 12;
      while (told.events < due && performance.now() < until) one();
    }, 16);
  }, RATE);
  const heaps: number[] = [];
  for (let second = 0; second < SOAK_S; second += STEP_S) {
    for (let press = 0; press < STEP_S * 2; press++) {
      await page.keyboard.press(press % 2 === 0 ? "j" : "k");
      await page.waitForTimeout(500);
    }
    heaps.push(await heap(chromium));
  }
  const { events, delays } = await page.evaluate(() => (window as unknown as { told: { events: number; delays: number[] } }).told);
  delays.sort((a, b) => a - b);
  report({ what: "open console", events, seconds: SOAK_S, hours_at_200_per_s: Math.round(events / 720) / 1000, heap_kb: heaps, slow_keys: delays.length, input_delay_p95_ms: at(delays, 0.95), input_delay_worst_ms: at(delays, 1) });
});
