import { useSyncExternalStore } from "react";

import type { components } from "../api/schema";
import { ProblemError, problemOf, unreachable } from "../api/problem";

export type Access = components["schemas"]["Access"];
export type Me = components["schemas"]["Me"];

/** Who is signed in. The token lives in this page's memory alone; a session is prolonged by a cookie that scripts cannot read. */
export interface SignedIn {
  kind: "session" | "key";
  token: string;
  /** Milliseconds of `performance.now()`; null for a key. The computer's clock may be wrong or be set. */
  until: number | null;
  /** The caller's id: somebody else's sign-in leaves nothing of this one's view. */
  id: string;
  name: string;
  mustChange: boolean;
}

/** `lapsed` keeps the page as it is, under a dialog that signs in again: nothing that was typed is lost. */
export type Phase = "starting" | "out" | "in" | "lapsed";

export interface SessionState {
  phase: Phase;
  signedIn: SignedIn | null;
  /** Why the last sign-in ended, told where one signs in again. */
  notice: string | null;
}

const AHEAD_MS = 60_000;
const LOCK = "agentos-refresh";
const ENDED = "Your sign-in has ended. Sign in again: nothing you typed is lost.";

export class Session {
  state: SessionState = { phase: "starting", signedIn: null, notice: null };
  private readonly listeners = new Set<() => void>();
  private readonly othersListeners = new Set<() => void>();
  private renewing: Promise<boolean> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** What a page does when it is opened; `returning` where the browser brings a session's cookie. */
  async start(returning: boolean): Promise<void> {
    if (this.state.phase !== "starting") return;
    try {
      if (returning) this.take(accessOf(await ask("/api/v1/auth/refresh")));
      else this.become({ phase: "out", signedIn: null, notice: null });
    } catch (error) {
      const gone = error instanceof ProblemError && error.problem.status !== 401 ? error.message : null;
      this.become({ phase: "out", signedIn: null, notice: gone });
    }
  }

  take(signedIn: SignedIn): void {
    const before = this.state.signedIn;
    this.become({ phase: "in", signedIn, notice: null });
    if (before !== null && before.id !== signedIn.id) for (const listener of this.othersListeners) listener();
    clearTimeout(this.timer);
    if (signedIn.until !== null) this.timer = setTimeout(() => void this.renew(), Math.max(1_000, signedIn.until - performance.now() - AHEAD_MS));
  }

  /** A token that holds for a while yet, or null where nobody is signed in. */
  async fresh(): Promise<string | null> {
    const { phase, signedIn } = this.state;
    if (phase === "lapsed") return null;
    // A timer sleeps with the computer: what is over is renewed when it is needed.
    if (signedIn?.until != null && signedIn.until - performance.now() < 5_000) await this.renew();
    return this.state.phase === "in" ? (this.state.signedIn?.token ?? null) : null;
  }

  /** Exchange the cookie for a new token, once whoever asks meanwhile. False where the sign-in is over, which everybody then sees. */
  renew(): Promise<boolean> {
    this.renewing ??= this.exchange().finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  /** Sign out here; a session ends for all tabs of this browser. */
  async end(): Promise<void> {
    const kind = this.state.signedIn?.kind;
    clearTimeout(this.timer);
    if (kind === "session") await ask("/api/v1/auth/logout").catch(() => undefined);
    this.become({ phase: "out", signedIn: null, notice: null });
    for (const listener of this.othersListeners) listener();
  }

  lapse(): void {
    clearTimeout(this.timer);
    if (this.state.phase === "in") this.become({ ...this.state, phase: "lapsed", notice: ENDED });
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  /** Called when somebody else than before is signed in, or nobody. */
  onOther(listener: () => void): () => void {
    this.othersListeners.add(listener);
    return () => this.othersListeners.delete(listener);
  }

  private async exchange(): Promise<boolean> {
    if (this.state.signedIn?.kind !== "session") {
      this.lapse();
      return false;
    }
    try {
      // Tabs share the cookie: one after the other, or the second would show a cookie that is used up.
      const access = "locks" in navigator ? await navigator.locks.request(LOCK, () => ask("/api/v1/auth/refresh")) : await ask("/api/v1/auth/refresh");
      this.take(accessOf(access));
      return true;
    } catch (error) {
      if (error instanceof ProblemError && error.problem.status === 401) this.lapse();
      // Not reachable: the token may hold still, and the next use tries again.
      else this.timer = setTimeout(() => void this.renew(), 5_000);
      return false;
    }
  }

  private become(next: SessionState): void {
    this.state = next;
    for (const listener of this.listeners) listener();
  }
}

/** POST to the sign-in paths. Throws a ProblemError for every refusal, status 0 where nothing answers. */
export async function ask(path: string, body?: unknown): Promise<Access> {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "X-Agentos-CSRF": "1", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => {
    throw unreachable();
  });
  const told = (await answer.json().catch(() => null)) as unknown;
  if (!answer.ok) throw problemOf(told, answer.status);
  return told as Access;
}

export function accessOf(access: Access): SignedIn {
  const { user } = access;
  return { kind: "session", token: access.access_token, until: performance.now() + access.expires_in * 1_000, id: user.id, name: user.name || user.username, mustChange: user.must_change };
}

/** Try a key out. */
export async function withKey(key: string): Promise<SignedIn> {
  const answer = await fetch("/api/v1/auth/me", { headers: { Authorization: `Bearer ${key}` } }).catch(() => {
    throw unreachable();
  });
  const told = (await answer.json().catch(() => null)) as unknown;
  if (!answer.ok) throw problemOf(told, answer.status);
  const me = told as Me;
  return { kind: "key", token: key, until: null, id: me.id, name: me.name, mustChange: false };
}

export const session = new Session();

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, () => session.state);
}
