import type { ReactNode } from "react";

export type Tone = "run" | "wait" | "fail" | "done" | "idle" | "hold";

const TONES: Record<string, Tone> = {
  running: "run", started: "run", admitted: "run", routed: "run", queued: "run", submitted: "run", requested: "run", engaged: "fail", probation: "wait",
  waiting: "wait", retrying: "wait", parked: "fail", pending: "hold", held: "hold", hold: "hold", suspended: "wait", paused: "wait",
  completed: "done", settled: "done", approved: "done", allow: "done", allowed: "done", live: "done", ok: "done", released: "done", open: "done",
  failed: "fail", refused: "fail", rejected: "fail", deny: "fail", denied: "fail", lost: "fail", expired: "fail", exhausted: "fail",
  cancelled: "idle", cancelling: "idle", revoked: "idle", gone: "idle",
};

export function toneOf(state: string): Tone {
  return TONES[state] ?? "idle";
}

/** Each tone has a shape of its own: colour is never all that tells a state. */
const SHAPES: Record<Tone, ReactNode> = {
  run: <path d="M3 2.2 10 6 3 9.8Z" fill="currentColor" />,
  wait: <path d="M3 2h2.2v8H3zM6.8 2H9v8H6.8z" fill="currentColor" />,
  fail: <path d="m2.5 2.5 7 7m0-7-7 7" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" fill="none" />,
  done: <path d="m2 6.4 2.8 2.8L10 3.4" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" strokeLinejoin="round" fill="none" />,
  idle: <path d="M2 6h8" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" />,
  hold: <path d="M6 1.4 10.6 6 6 10.6 1.4 6Z" fill="currentColor" />,
};

export function Shape({ tone }: { tone: Tone }) {
  return <svg viewBox="0 0 12 12" className="size-2.5 shrink-0" aria-hidden="true">{SHAPES[tone]}</svg>;
}

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`badge badge-${tone}`}><Shape tone={tone} />{children}</span>;
}

export function Status({ state }: { state: string }) {
  return <Badge tone={toneOf(state)}>{state}</Badge>;
}
