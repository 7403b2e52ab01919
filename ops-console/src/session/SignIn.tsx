import { type SubmitEvent, useState } from "react";

import { told } from "../api/problem";
import { accessOf, ask, session, type SignedIn, withKey } from "./session";

interface Props {
  /** The identity provider's name, where there is one. */
  provider: string | null;
  notice: string | null;
  /** Whose sign-in lapsed: they need not say again who they are. The page behind stays as it is. */
  lapsed?: SignedIn;
}

/** Sign in with a password, at the identity provider, or with an API key. */
export function SignIn({ provider, notice, lapsed }: Props) {
  const [byKey, setByKey] = useState(lapsed?.kind === "key");
  const [username, setUsername] = useState(lapsed?.username ?? "");
  const [secret, setSecret] = useState("");
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);

  async function enter(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setFault(null);
    try {
      session.enter(byKey ? await withKey(secret.trim()) : accessOf(await ask("/api/v1/auth/login", { username: username.trim(), password: secret })));
    } catch (error) {
      setFault(told(error));
      setBusy(false);
    }
  }

  return (
    <form onSubmit={(event) => void enter(event)} className="space-y-4" aria-label="Sign in">
      {notice !== null && <p role="status" className="rounded-md bg-[var(--wait-soft)] p-2 text-wait">{notice}</p>}
      {provider !== null && !byKey && (
        <>
          <a className="btn btn-primary w-full no-underline" href={`/api/v1/auth/oidc/start?return_to=${encodeURIComponent(lapsed === undefined ? here() : "/")}`}
            {...(lapsed === undefined ? {} : { target: "_blank", rel: "noopener" })}>Sign in with {provider}{lapsed !== undefined && " in a new tab"}</a>
          <p className="text-center text-sm text-ink-3">or with a password of this installation</p>
        </>
      )}
      {!byKey && (
        <div>
          <label className="label" htmlFor="username">Username</label>
          <input id="username" className="field" autoComplete="username" autoCapitalize="none" spellCheck={false} required value={username} onChange={(event) => setUsername(event.target.value)} />
        </div>
      )}
      <div>
        <label className="label" htmlFor="secret">{byKey ? "API key" : "Password"}</label>
        <input id="secret" className={`field ${byKey ? "font-mono" : ""}`} type="password" autoComplete={byKey ? "off" : "current-password"} spellCheck={false} required value={secret}
          onChange={(event) => setSecret(event.target.value)} aria-invalid={fault !== null} aria-describedby={byKey ? "key-help" : undefined} />
        {byKey && <p id="key-help" className="mt-1.5 text-sm text-ink-3">It stays in this page’s memory: a reload forgets it.</p>}
      </div>
      {fault !== null && <p role="alert" className="text-fail">{fault}</p>}
      <button type="submit" className={`btn w-full ${provider === null || byKey ? "btn-primary" : ""}`} disabled={busy}>{busy ? "Signing in…" : "Sign in"}</button>
      <button type="button" className="btn btn-quiet w-full" onClick={() => {
        setByKey(!byKey);
        setSecret("");
        setFault(null);
      }}>{byKey ? "Use a password instead" : "Use an API key instead"}</button>
    </form>
  );
}

/** Where somebody wanted to go who has to sign in first. */
function here(): string {
  return location.pathname === "/login" ? "/" : location.pathname + location.search;
}
