import { type SubmitEvent, useState } from "react";

import { problemOf, told, unreachable } from "../api/problem";
import { Brand } from "../shell/Brand";
import { session, useSession } from "./session";

/** Sign in with an API key; it is tried out before the console opens. */
export function SignIn() {
  const { notice } = useSession();
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);

  async function enter(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setFault(null);
    try {
      const token = key.trim();
      const answer = await fetch("/api/v1/kill", { headers: { Authorization: `Bearer ${token}` } }).catch(() => {
        throw unreachable();
      });
      if (!answer.ok) throw problemOf(await answer.json().catch(() => null), answer.status);
      session.begin({ token });
    } catch (error) {
      setFault(told(error));
      setBusy(false);
    }
  }

  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <form onSubmit={(event) => void enter(event)} className="panel w-full max-w-md p-7 shadow-lg" aria-labelledby="sign-in">
        <Brand />
        <h1 id="sign-in" className="mt-6">Sign in</h1>
        <p className="mt-1 text-ink-2">See what your agents do, decide what they may, stop them at once.</p>
        {notice !== null && <p role="status" className="mt-4 rounded-md bg-[var(--wait-soft)] p-2 text-wait">{notice}</p>}
        <label className="label mt-5" htmlFor="key">API key</label>
        <input id="key" className="field font-mono" type="password" autoComplete="off" spellCheck={false} required value={key}
          onChange={(event) => setKey(event.target.value)} aria-describedby="key-help" aria-invalid={fault !== null} placeholder="aos_…" />
        <p id="key-help" className="mt-1.5 text-sm text-ink-3">
          The first administrator’s key is in <code className="font-mono">secrets/admin.key</code> of the data folder. It stays in this page’s memory only.
        </p>
        {fault !== null && <p role="alert" className="mt-3 text-fail">{fault}</p>}
        <button type="submit" className="btn btn-primary mt-5 w-full" disabled={busy}>{busy ? "Signing in…" : "Sign in"}</button>
      </form>
    </main>
  );
}
