import { useEffect, useRef } from "react";

/** Bring the row with this id into view when it becomes the cursor's. */
export function useInView(id: string | null): (node: HTMLElement | null) => void {
  const node = useRef<HTMLElement | null>(null);
  useEffect(() => {
    node.current?.scrollIntoView({ block: "nearest" });
  }, [id]);
  return (next) => {
    node.current = next;
  };
}

/** The id `by` places on from the one that has the cursor. */
export function step(ids: string[], current: string | null, by: number): string | null {
  if (ids.length === 0) return null;
  const at = current === null ? -1 : ids.indexOf(current);
  const next = at === -1 ? (by > 0 ? 0 : ids.length - 1) : Math.min(Math.max(at + by, 0), ids.length - 1);
  return ids[next] ?? null;
}

/** Have the focus go with the cursor, once the row is drawn: Tab and Enter go on from there, and it is read aloud. */
export function focusRow(list: HTMLElement | null, id: string): void {
  requestAnimationFrame(() => list?.querySelector<HTMLElement>(`[data-row="${CSS.escape(id)}"]`)?.focus({ preventScroll: true }));
}
