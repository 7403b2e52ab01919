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
  /** What a person signs in with; null for a key. */
  username: string | null;
  name: string;
  mustChange: boolean;
}

/** `lapsed` keeps the page as it is, under a dialog that signs in again: nothing that was typed is lost. */
export type Phase = "starting" | "out" | "in" | "lapsed";

export interface SessionState {
  phase: Phase;
  signedIn: SignedIn | null;
  /** Why the last sign-in ended, or why none can be made; told where one signs in. */
  notice: string | null;
}

const AHEAD_MS = 60_000;
const RETRY_MS = 3_000;
const LOCK = "agentos-refresh";
const ENDED = "Your sign-in has ended. Sign in again: nothing you typed is lost.";

export class Session {
  state: SessionState = { phase: "starting", signedIn: null, notice: null };
  private readonly listeners = new Set<() => void>();
  private readonly othersListeners = new Set<() => void>();
  private renewing: Promise<boolean> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Tabs of one browser share the cookie: who signs in in one is signed in in all, of which they tell each other by `tabs`. */
  constructor(private readonly tabs: BroadcastChannel) {
    this.tabs.onmessage = () => void this.join();
  }

  /** What a page does when it is opened; `returning` where the browser brings a session's cookie. */
  async start(returning: boolean): Promise<void> {
    if (this.state.phase !== "starting") return;
    try {
      if (returning) this.enter(accessOf(await prolonged()));
      else this.become({ phase: "out", signedIn: null, notice: null });
    } catch (error) {
      // Whether somebody is signed in is known once the gateway answers.
      const away = error instanceof ProblemError && (error.problem.status === 0 || error.problem.status >= 500);
      if (away) {
        this.become({ phase: "starting", signedIn: null, notice: "The gateway does not answer. Trying again…" });
        this.timer = setTimeout(() => void this.start(returning), RETRY_MS);
      } else {
        const told = error instanceof ProblemError && error.problem.status !== 401 ? error.message : null;
        this.become({ phase: "out", signedIn: null, notice: told });
      }
    }
  }

  /** Somebody signed in here; other tabs that wait for a sign-in follow. */
  enter(signedIn: SignedIn): void {
    this.take(signedIn);
    if (signedIn.kind === "session") this.tabs.postMessage("in");
  }

  private take(signedIn: SignedIn): void {
    const before = this.state.signedIn;
    this.become({ phase: "in", signedIn, notice: null });
    if (before !== null && before.id !== signedIn.id) for (const listener of this.othersListeners) listener();
    clearTimeout(this.timer);
    if (signedIn.until !== null) this.timer = setTimeout(() => void this.renew(), Math.max(1_000, signedIn.until - performance.now() - AHEAD_MS));
  }

  /** A token that holds for a while yet, or null where nobody is signed in. */
  async fresh(): Promise<string | null> {
    const { phase, signedIn } = this.state;
    if (phase !== "in") return null;
    // A timer sleeps with the computer: what is over is renewed when it is needed.
    if (signedIn?.until != null && signedIn.until - performance.now() < 5_000) await this.renew();
    return this.state.phase === "in" ? (this.state.signedIn?.token ?? null) : null;
  }

  /** Exchange the cookie for a new token, once whoever asks meanwhile. False where the sign-in is over, which everybody then sees. */
  renew(): Promise<boolean> {
    if (this.state.phase !== "in") return Promise.resolve(false);
    this.renewing ??= this.exchange().finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  /** Where the sign-in lapsed: resolves once somebody signed in or left, true for the same person. */
  returned(): Promise<boolean> {
    const who = this.state.signedIn?.id;
    if (this.state.phase !== "lapsed") return Promise.resolve(false);
    return new Promise((resolve) => {
      const stop = this.subscribe(() => {
        if (this.state.phase === "lapsed") return;
        stop();
        resolve(this.state.phase === "in" && this.state.signedIn?.id === who);
      });
    });
  }

  /** Sign out here; a session ends for all tabs of this browser. */
  async end(): Promise<void> {
    const kind = this.state.signedIn?.kind;
    clearTimeout(this.timer);
    if (kind === "session") await ask("/api/v1/auth/logout").catch(() => undefined);
    this.become({ phase: "out", signedIn: null, notice: null });
    for (const listener of this.othersListeners) listener();
  }

  private lapse(): void {
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

  /** Another tab signed in: this one may need it too. */
  private async join(): Promise<void> {
    const waits = (): boolean => this.state.phase === "out" || this.state.phase === "lapsed";
    if (!waits()) return;
    const joined = await prolonged().catch(() => null);
    if (joined !== null && waits()) this.take(accessOf(joined));
  }

  private async exchange(): Promise<boolean> {
    const before = this.state.signedIn;
    if (before?.kind !== "session") {
      this.lapse();
      return false;
    }
    clearTimeout(this.timer);
    try {
      const access = accessOf(await prolonged());
      // Somebody may have signed out meanwhile.
      if (this.state.signedIn !== before) return this.state.phase === "in";
      this.take(access);
      return true;
    } catch (error) {
      if (this.state.signedIn !== before) return this.state.phase === "in";
      if (error instanceof ProblemError && error.problem.status === 401) this.lapse();
      // Not reachable: the token may hold still, and the next use tries again.
      else this.timer = setTimeout(() => void this.renew(), RETRY_MS);
      return false;
    }
  }

  private become(next: SessionState): void {
    this.state = next;
    for (const listener of this.listeners) listener();
  }
}

/** A new token for the cookie. Tabs share it: one after the other, or the second would show a cookie that is used up. */
async function prolonged(): Promise<Access> {
  const exchange = (): Promise<Access> => ask("/api/v1/auth/refresh");
  // Only secure contexts have locks; without, the gateway takes the same cookie twice within seconds.
  return "locks" in navigator ? await navigator.locks.request(LOCK, exchange) : await exchange();
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
  return { kind: "session", token: access.access_token, until: performance.now() + access.expires_in * 1_000, id: user.id, username: user.username, name: user.name || user.username, mustChange: user.must_change };
}

/** Try a key out. */
export async function withKey(key: string): Promise<SignedIn> {
  const answer = await fetch("/api/v1/auth/me", { headers: { Authorization: `Bearer ${key}` } }).catch(() => {
    throw unreachable();
  });
  const told = (await answer.json().catch(() => null)) as unknown;
  if (!answer.ok) throw problemOf(told, answer.status);
  const me = told as Me;
  return { kind: "key", token: key, until: null, id: me.id, username: null, name: me.name, mustChange: false };
}

export const session = new Session(new BroadcastChannel("agentos-session"));

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, () => session.state);
}
