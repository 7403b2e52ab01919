import { feed } from "./live";
import type { LiveEvent } from "./feed";

export const WINDOW_S = 300;
export const SERIES = ["tasks settled", "calls settled", "denied or held"] as const;

/** What the feed said in each of the last five minutes' seconds; memory stays the same however long the page is open. */
export class Rates {
  private readonly counts = SERIES.map(() => new Uint32Array(WINDOW_S));
  private second = Math.floor(Date.now() / 1_000);

  take(event: LiveEvent, now: number): void {
    this.turn(now);
    const series = seriesOf(event);
    const counts = series === null ? undefined : this.counts[series];
    if (counts !== undefined) counts[this.second % WINDOW_S] = (counts[this.second % WINDOW_S] ?? 0) + 1;
  }

  /** Seconds, and a column for each of SERIES, oldest first; each point is a sum of five seconds. */
  columns(now: number, every = 5): number[][] {
    this.turn(now);
    const points = Math.floor(WINDOW_S / every);
    const end = Math.floor(this.second / every) * every;
    const times = Array.from({ length: points }, (_, at) => end - (points - 1 - at) * every);
    const sum = (counts: Uint32Array, from: number): number => {
      let total = 0;
      for (let at = from; at < from + every && at <= this.second; at++) if (at > this.second - WINDOW_S) total += counts[((at % WINDOW_S) + WINDOW_S) % WINDOW_S] ?? 0;
      return total;
    };
    return [times, ...this.counts.map((counts) => times.map((from) => sum(counts, from)))];
  }

  private turn(now: number): void {
    const second = Math.floor(now / 1_000);
    for (let at = Math.max(this.second + 1, second - WINDOW_S + 1); at <= second; at++) for (const counts of this.counts) counts[at % WINDOW_S] = 0;
    this.second = Math.max(second, this.second);
  }
}

function seriesOf(event: LiveEvent): number | null {
  if (event.name === "task.settled") return 0;
  if (event.name === "call.settled" || event.name === "tool.settled") return 1;
  if (event.name.endsWith(".decided") && typeof event.data === "object" && event.data !== null && "verdict" in event.data && event.data.verdict !== "allow") return 2;
  return null;
}

export const rates = new Rates();
feed.onEvent((event) => rates.take(event, Date.now()));
