import { type SubmitEvent, useState } from "react";

import { api, sent } from "../api/client";
import { Fault } from "../parts/Fault";
import { session } from "./session";

/** A password that somebody else chose is changed before anything else is open. */
export function ChangePassword() {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  async function change(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await sent(api.POST("/api/v1/auth/password", { body: { password: old, new_password: next } }));
      await session.renew();
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  }

  return (
    <form onSubmit={(event) => void change(event)} className="space-y-4" aria-label="New password">
      <p className="text-ink-2">Your password was chosen by somebody else. Choose your own; nothing else is open until then.</p>
      <div><label className="label" htmlFor="old">Password you signed in with</label><input id="old" className="field" type="password" autoComplete="current-password" required value={old} onChange={(event) => setOld(event.target.value)} /></div>
      <div>
        <label className="label" htmlFor="new">New password</label>
        <input id="new" className="field" type="password" autoComplete="new-password" required minLength={12} value={next} onChange={(event) => setNext(event.target.value)} aria-describedby="new-help" />
        <p id="new-help" className="mt-1.5 text-sm text-ink-3">12 characters or more.</p>
      </div>
      {error !== null && <Fault error={error} />}
      <button type="submit" className="btn btn-primary w-full" disabled={busy}>Change it</button>
    </form>
  );
}
