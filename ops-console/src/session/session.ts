import { useSyncExternalStore } from "react";

/** Who is signed in. The token lives in this page's memory alone: closing the page, or reloading it, forgets it. */
export interface SignedIn {
  token: string;
}

export interface SessionState {
  signedIn: SignedIn | null;
  /** Why the last sign-in ended, told on the sign-in page. */
  notice: string | null;
}

let state: SessionState = { signedIn: null, notice: null };
const listeners = new Set<() => void>();

function become(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}

export const session = {
  token: (): string | null => state.signedIn?.token ?? null,
  begin: (signedIn: SignedIn): void => become({ signedIn, notice: null }),
  end: (notice: string | null = null): void => {
    if (state.signedIn !== null) become({ signedIn: null, notice });
  },
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, () => state);
}
