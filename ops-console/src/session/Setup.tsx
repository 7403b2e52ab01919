import { type SubmitEvent, useState } from "react";

import { Fault } from "../parts/Fault";
import { accessOf, ask, session } from "./session";

/** The first page of a new installation: it makes the administrator, who is signed in at once. */
export function Setup({ needsKey }: { needsKey: boolean }) {
  const [values, setValues] = useState({ name: "", username: "", password: "", token: "" });
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const set = (field: keyof typeof values) => (event: { target: { value: string } }) => setValues({ ...values, [field]: event.target.value });

  async function make(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { name, username, password, token } = values;
      session.enter(accessOf(await ask("/api/v1/auth/setup", { name: name.trim(), username: username.trim(), password, ...(needsKey ? { token: token.trim() } : {}) })));
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  }

  return (
    <form onSubmit={(event) => void make(event)} className="space-y-4" aria-label="First administrator">
      <p className="text-ink-2">Nobody runs this installation yet. Whoever fills this in is its administrator, and lets others in.</p>
      <div><label className="label" htmlFor="name">Your name</label><input id="name" className="field" autoComplete="name" required maxLength={100} value={values.name} onChange={set("name")} /></div>
      <div><label className="label" htmlFor="username">Username</label><input id="username" className="field" autoComplete="username" autoCapitalize="none" spellCheck={false} required value={values.username} onChange={set("username")} /></div>
      <div>
        <label className="label" htmlFor="password">Password</label>
        <div className="flex gap-2">
          <input id="password" className="field" type={shown ? "text" : "password"} autoComplete="new-password" required minLength={12} value={values.password} onChange={set("password")} aria-describedby="password-help" />
          <button type="button" className="btn" aria-pressed={shown} onClick={() => setShown(!shown)}>{shown ? "Hide" : "Show"}</button>
        </div>
        <p id="password-help" className="mt-1.5 text-sm text-ink-3">12 characters or more.</p>
      </div>
      {needsKey && (
        <div>
          <label className="label" htmlFor="token">First admin key</label>
          <input id="token" className="field font-mono" type="password" autoComplete="off" spellCheck={false} required value={values.token} onChange={set("token")} aria-describedby="token-help" />
          <p id="token-help" className="mt-1.5 text-sm text-ink-3">It shows that the installation is yours: <code className="font-mono">secrets/admin.key</code> in the data folder.</p>
        </div>
      )}
      {error !== null && <Fault error={error} />}
      <button type="submit" className="btn btn-primary w-full" disabled={busy}>{busy ? "Making it…" : "Create the administrator"}</button>
    </form>
  );
}
