import { useEffect, useRef } from "react";

/** Whether what has the focus takes letters itself: hotkeys are silent there. */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function quiet(event: KeyboardEvent): boolean {
  return event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]") !== null;
}

export type Bindings = Record<string, () => void>;

const CHORD_MS = 900;

/** Keys of the page. A binding such as `g t` is two keys in a row; all are silent in inputs and while a dialog is open. */
export function useKeys(bindings: Bindings): void {
  const current = useRef(bindings);
  useEffect(() => {
    current.current = bindings;
  });
  useEffect(() => {
    let first: { key: string; at: number } | null = null;
    const press = (event: KeyboardEvent): void => {
      if (quiet(event)) return;
      const chord = first !== null && event.timeStamp - first.at < CHORD_MS ? current.current[`${first.key} ${event.key}`] : undefined;
      first = { key: event.key, at: event.timeStamp };
      // The second key of a chord is never also a key of the page.
      const after = chord ?? (lastWasLeader(event.timeStamp) ? undefined : current.current[event.key]);
      if (event.key === "g") leaderAt = event.timeStamp;
      if (after === undefined) return;
      event.preventDefault();
      after();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

let leaderAt = -Infinity;
function lastWasLeader(at: number): boolean {
  return at !== leaderAt && at - leaderAt < CHORD_MS;
}
