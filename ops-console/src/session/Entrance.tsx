import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";

import { api, sent } from "../api/client";
import { Fault } from "../parts/Fault";
import { Brand } from "../shell/Brand";
import { ChangePassword } from "./ChangePassword";
import { session, useSession } from "./session";
import { Setup } from "./Setup";
import { SignIn } from "./SignIn";

export const waysIn = () => sent(api.GET("/api/v1/auth/setup"));

/** What a person sees who is not in yet. */
export function Entrance() {
  const { phase, notice } = useSession();
  const entry = useQuery({ queryKey: ["setup"], queryFn: waysIn, refetchInterval: (query) => (query.state.status === "error" ? 3_000 : false) });
  const returning = entry.data?.returning;
  useEffect(() => {
    if (returning !== undefined) void session.start(returning);
  }, [returning]);
  if (entry.data === undefined || phase === "starting") return <Frame title="AgentOS">{entry.error === null ? <p role="status" className="text-ink-3">{notice ?? "Opening…"}</p> : <Fault error={entry.error} />}</Frame>;
  if (entry.data.needed) return <Frame title="Welcome"><Setup needsKey={entry.data.proof === "key"} /></Frame>;
  return (
    <Frame title="Sign in">
      <p className="mb-5 mt-1 text-ink-2">See what your agents do, decide what they may, stop them at once.</p>
      <SignIn provider={entry.data.provider ?? null} notice={notice ?? refusal()} />
    </Frame>
  );
}

export function NewPassword() {
  return <Frame title="A password of your own"><ChangePassword /></Frame>;
}

function Frame({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="panel w-full max-w-md p-7 shadow-lg">
        <Brand />
        <h1 className="mb-2 mt-6">{title}</h1>
        {children}
      </div>
    </main>
  );
}

const REFUSALS: Record<string, string> = {
  oidc_denied: "The identity provider did not let you in, or you cancelled there.",
  oidc_clock: "The identity provider’s clock and this installation’s differ: have them set, then try again.",
  oidc_expired: "The identity provider’s answer is too old, or the clocks differ. Try again.",
  oidc_too_late: "That sign-in took too long. Try again.",
  oidc_not_begun: "That sign-in was not begun in this browser. Try again.",
  oidc_no_role: "Your account there has no role here. Ask an administrator for one.",
  oidc_no_tenant: "Your account there belongs to no tenant here. Ask an administrator.",
  oidc_state: "That sign-in was not begun in this browser. Try again.",
  oidc_away: "The identity provider could not be reached. Try again, or sign in with a password.",
  oidc_discovery: "The identity provider could not be reached. Try again, or sign in with a password.",
  oidc_disabled: "Your account is disabled here. Ask an administrator.",
};

/** Why the identity provider sent somebody back without letting them in. */
function refusal(): string | null {
  const code = new URLSearchParams(location.search).get("error");
  if (code === null || location.pathname !== "/login") return null;
  return REFUSALS[code] ?? `The identity provider’s answer was not accepted (${code.replace(/[^a-z_]/g, "")}). Try again, or sign in with a password.`;
}
