import { useState } from "react";

import { session } from "../session/session";

/** What somebody typed and has not sent. It outlives a closed form, a reload and a gateway that is away; it ends with the tab, and when
 * they sign out or somebody else signs in: what is typed may be personal, and nothing of it stays on a disk that others read. */
const PREFIX = "agentos-draft:";

export function draftIn(name: string): unknown {
  try {
    const kept = sessionStorage.getItem(PREFIX + name);
    return kept === null ? undefined : (JSON.parse(kept) as unknown);
  } catch {
    return undefined;
  }
}

export function keepIn(name: string, value: unknown): void {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A browser without room keeps the form as long as it is open, as without this.
  }
}

export function dropIn(name: string): void {
  sessionStorage.removeItem(PREFIX + name);
}

export function dropAll(): void {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
}

session.onOther(dropAll);

/** A text field's state that is kept under `name` until it is sent: the value, its setter, and what to call once it was sent. */
export function useDraft(name: string): [string, (value: string) => void, () => void] {
  const [value, setValue] = useState(() => {
    const kept = draftIn(name);
    return typeof kept === "string" ? kept : "";
  });
  const change = (next: string): void => {
    setValue(next);
    if (next === "") dropIn(name);
    else keepIn(name, next);
  };
  return [value, change, () => change("")];
}
