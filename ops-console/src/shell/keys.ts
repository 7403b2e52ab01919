import { useEffect, useRef } from "react";

/** Whether what has the focus takes letters itself: hotkeys are silent there. */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Whether Enter is what the focus stands on waits for: a button is pressed by it, a link followed. */
function pressing(event: KeyboardEvent): boolean {
  return event.key === "Enter" && event.target instanceof Element && event.target.closest("a, button, summary") !== null;
}

function quiet(event: KeyboardEvent): boolean {
  return event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || pressing(event) || document.querySelector("dialog[open]") !== null;
}

export type Bindings = Record<string, () => void>;

const LEADER = "g";
const CHORD_MS = 900;

/** Keys of the page. A binding such as `g t` is two keys in a row; all are silent in inputs and while a dialog is open. */
export function useKeys(bindings: Bindings): void {
  const current = useRef(bindings);
  useEffect(() => {
    current.current = bindings;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (quiet(event)) return;
      // The second key of a chord is never also a key of the page.
      const bound = current.current[endsChord(event) ? `${LEADER} ${event.key}` : event.key];
      if (bound === undefined) return;
      event.preventDefault();
      bound();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

let leaderAt = -Infinity;
let judged: { event: KeyboardEvent; ends: boolean } | null = null;

/** Whether the key follows the leader. Each press is judged once, whoever asks: page and shell both listen. */
function endsChord(event: KeyboardEvent): boolean {
  if (judged?.event !== event) {
    const ends = event.timeStamp - leaderAt < CHORD_MS;
    judged = { event, ends };
    leaderAt = !ends && event.key === LEADER ? event.timeStamp : -Infinity;
  }
  return judged.ends;
}
