import { useSyncExternalStore } from "react";

import { exact, relative } from "./format";

let now = Date.now();
const listeners = new Set<() => void>();
let clock: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  // It stood still while nobody looked at it.
  if (clock === undefined) now = Date.now();
  clock ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 5_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(clock);
      clock = undefined;
    }
  };
}

/** The time of day, one clock for the whole page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

export function Time({ at }: { at: string | null | undefined }) {
  const current = useNow();
  if (at === null || at === undefined || at === "") return <span className="text-ink-3">–</span>;
  return <time dateTime={at} title={exact(at)} className="whitespace-nowrap">{relative(at, current)}</time>;
}
