import { useMemo, useState } from "react";

interface Row {
  id: string;
}

export interface Steady<T> {
  /** What is shown: rows are brought up to date in place and never move. */
  rows: T[];
  /** Rows that came since and wait above the list. */
  fresh: number;
  /** Rows shown that the newest answer no longer holds. */
  gone: ReadonlySet<string>;
}

/** The rows to show when `kept` stand on the screen and `latest` is what the gateway says now. */
export function steady<T extends Row>(kept: T[], latest: T[]): Steady<T> {
  const now = new Map(latest.map((row) => [row.id, row]));
  const shown = new Set(kept.map((row) => row.id));
  return {
    rows: kept.map((row) => now.get(row.id) ?? row),
    fresh: latest.filter((row) => !shown.has(row.id)).length,
    gone: new Set(kept.filter((row) => !now.has(row.id)).map((row) => row.id)),
  };
}

const NONE: never[] = [];

/** Keep a live list still under the pointer: what is new waits for `renew`, what left stays where it was, marked. */
export function useSteady<T extends Row>(latest: T[] | undefined, view: string): Steady<T> & { renew: () => void } {
  const [kept, keep] = useState<{ view: string; rows: T[] } | null>(null);
  // Another view, or nothing on the screen that could jump: the answer is taken as it is.
  const anew = latest !== undefined && (kept?.view !== view || (kept.rows.length === 0 && latest.length > 0));
  if (anew) keep({ view, rows: latest });
  const standing = anew ? latest : (kept?.rows ?? NONE);
  // The same rows are the same array: tables start anew for another one.
  const shown = useMemo(() => steady<T>(standing, latest ?? standing), [standing, latest]);
  return { ...shown, renew: () => keep(latest === undefined ? null : { view, rows: latest }) };
}
