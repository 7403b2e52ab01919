/** Up to where this page was told: what it reads is to be at least as new. The ledger takes an event in a little after it is told. */

let position = 0;
const listeners = new Set<() => void>();

/** The position of the last event that was told; 0 before any. */
export const toldUpTo = (): number => position;

/** An event was told, or what comes next begins lower: an installation whose data were put back. */
export function tell(at: number): void {
  position = at;
}

/** Something was read that is older than what was told. */
export function readOlder(): void {
  for (const listener of listeners) listener();
}

export function onReadOlder(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
