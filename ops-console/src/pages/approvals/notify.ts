import { useEffect, useRef, useState } from "react";

import { usePending } from "./queries";

const KEY = "agentos-notify";
/** Browsers have it on https and on this computer only. */
const possible = (): boolean => "Notification" in window && window.isSecureContext;
const wanted = (): boolean => possible() && Notification.permission === "granted" && localStorage.getItem(KEY) === "yes";

/** Whether this browser tells of held calls, and the click that asks for it: never asked for otherwise. */
export function useNotifications(): { possible: boolean; on: boolean; toggle: () => void } {
  const [on, setOn] = useState(wanted);
  const toggle = (): void => {
    if (on) {
      localStorage.setItem(KEY, "no");
      setOn(false);
      return;
    }
    void Notification.requestPermission().then((answer) => {
      if (answer !== "granted") return;
      localStorage.setItem(KEY, "yes");
      setOn(true);
    });
  };
  return { possible: possible() && Notification.permission !== "denied", on, toggle };
}

/** Tell of what is held while nobody looks at the page. What it is about stays in the console: a screen may be shared. */
export function useTelling(): void {
  const pending = usePending();
  const known = useRef<ReadonlySet<string> | null>(null);
  const items = pending.data?.items;
  useEffect(() => {
    if (items === undefined) return;
    const before = known.current;
    known.current = new Set(items.map((row) => row.id));
    const fresh = before === null ? [] : items.filter((row) => !before.has(row.id));
    const first = fresh[0];
    if (first === undefined || !document.hidden || !wanted()) return;
    const note = new Notification(fresh.length === 1 ? `${first.target} waits for approval` : `${fresh.length} calls wait for approval`, { tag: "agentos-approvals" });
    note.onclick = () => {
      window.focus();
      note.close();
    };
  }, [items]);
}
