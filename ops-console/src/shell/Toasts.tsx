import { useSyncExternalStore } from "react";

interface Toast { id: number; text: string; tone: "done" | "fail" }

let shown: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();
const become = (toasts: Toast[]): void => {
  shown = toasts;
  for (const listener of listeners) listener();
};

/** Tell what became of an act. Failures stay until they are dismissed. */
export function toast(text: string, tone: "done" | "fail" = "done"): void {
  const id = next++;
  become([...shown.slice(-3), { id, text, tone }]);
  if (tone === "done") setTimeout(() => become(shown.filter((each) => each.id !== id)), 5_000);
}

export function Toasts() {
  const toasts = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed inset-x-0 bottom-4 z-40 flex flex-col items-center gap-2">
      {toasts.map((each) => (
        <div key={each.id} className={`panel pointer-events-auto flex items-center gap-3 px-4 py-2 shadow-lg ${each.tone === "fail" ? "text-fail" : ""}`}>
          {each.text}
          <button type="button" aria-label="Dismiss" onClick={() => become(shown.filter((other) => other.id !== each.id))}>×</button>
        </div>
      ))}
    </div>
  );
}
