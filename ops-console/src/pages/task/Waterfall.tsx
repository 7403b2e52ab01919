import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";

import { focusRow, step } from "../../parts/cursor";
import { duration } from "../../parts/format";
import { Status, toneOf } from "../../parts/Status";
import { useNow } from "../../parts/Time";
import { useKeys } from "../../shell/keys";
import type { Row } from "./spans";

const ROW_PX = 34;
const KINDS: Partial<Record<Row["span"]["kind"], string>> = { call: "model", try: "attempt", attempt: "run" };

interface Props {
  rows: Row[];
  open: string | null;
  onOpen: (id: string) => void;
}

/** Everything that the task did, on one scale of time; a row opens its events. Only the rows that are seen are drawn. */
export function Waterfall({ rows, open, onOpen }: Props) {
  const now = useNow();
  const box = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const ids = useMemo(() => rows.map((row) => row.span.id), [rows]);
  const [first, last] = useMemo(() => bounds(rows), [rows]);
  const end = Math.max(last ?? now, first + 1);
  const scale = (at: number): number => ((at - first) / (end - first)) * 100;
  // eslint-disable-next-line react-hooks/incompatible-library -- the compiler is not used here
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => box.current, estimateSize: () => ROW_PX, overscan: 10 });
  const go = (by: number): void => {
    const next = step(ids, cursor ?? open, by);
    setCursor(next);
    if (next === null) return;
    virtual.scrollToIndex(ids.indexOf(next));
    focusRow(box.current, next);
  };
  useKeys({ j: () => go(1), k: () => go(-1), ArrowDown: () => go(1), ArrowUp: () => go(-1), Enter: () => cursor !== null && onOpen(cursor) });

  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must take the focus
    <div ref={box} className="relative max-h-[60dvh] overflow-auto" role="region" aria-label="Waterfall" tabIndex={0}>
      <div className="min-w-[46rem]">
        <div className="sticky top-0 z-10 flex border-b border-line bg-surface text-sm font-semibold text-ink-3" aria-hidden="true">
          <span className="w-72 shrink-0 px-4 py-2">Step</span><span className="w-28 shrink-0 py-2">State</span>
          <span className="flex-1 py-2">From beginning to end, {duration(end - first)}</span><span className="w-28 shrink-0 px-4 py-2 text-right">Took</span>
        </div>
        <ul className="relative" aria-label="Steps" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const { span } = row;
            const left = Math.min(scale(row.start), 99.3);
            const width = Math.min(Math.max(scale(row.end ?? end) - left, 0.7), 100 - left);
            const here = span.id === open || span.id === cursor;
            return (
              <li key={span.id} aria-setsize={rows.length} aria-posinset={item.index + 1} className={`absolute inset-x-0 border-b border-line ${here ? "bg-accent-soft" : "hover:bg-raised"} ${span.id === cursor ? "shadow-[inset_3px_0_0_var(--accent)]" : ""}`}
                style={{ height: ROW_PX, transform: `translateY(${item.start}px)` }}>
                <button type="button" data-row={span.id} className="flex size-full items-center text-left" aria-expanded={span.id === open} onClick={() => {
                  setCursor(span.id);
                  onOpen(span.id);
                }}>
                  <span className="flex w-72 shrink-0 items-baseline gap-2 overflow-hidden pr-3" style={{ paddingLeft: 16 + Math.min(row.depth, 6) * 14 }}>
                    <span className="truncate font-medium">{row.title}</span>
                    <span className="shrink-0 text-sm text-ink-3">{KINDS[span.kind] ?? span.kind}</span>
                  </span>
                  <span className="w-28 shrink-0"><Status state={row.state} /></span>
                  <span className="relative h-full min-w-0 flex-1" title={row.note}>
                    <span className="absolute inset-y-[11px] rounded-sm" style={{ left: `${left}%`, width: `${width}%`, background: `var(--${toneOf(row.state)})`, opacity: row.end === null ? 0.55 : 1 }} />
                  </span>
                  <span className="w-28 shrink-0 px-4 text-right text-sm">{row.end === null ? "going on" : duration(row.end - row.start)}</span>
                </button>
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}

/** The first beginning, and the last end; no end while anything goes on. */
function bounds(rows: Row[]): [number, number | null] {
  let first = Infinity;
  let last = -Infinity;
  let going = false;
  for (const row of rows) {
    first = Math.min(first, row.start);
    last = Math.max(last, row.end ?? row.start);
    going ||= row.end === null;
  }
  return [Number.isFinite(first) ? first : 0, going || !Number.isFinite(last) ? null : last];
}
