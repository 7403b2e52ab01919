import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import { Page, Panel } from "../../parts/Page";
import { Badge } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { useMay } from "../../session/may";
import { session as own } from "../../session/session";
import { toast } from "../../shell/Toasts";
import { browserOf } from "./browser";
import { Sections } from "./Sections";

type Open = components["schemas"]["SessionItem"];
const BY: Record<string, string> = { password: "password", oidc: "identity provider", setup: "first set-up" };

/** Who is signed in where: one's own sessions, and for who manages people everybody's. */
export function Sessions() {
  const manages = useMay("users.manage");
  const [wish, setWish] = useState<"mine" | "all">("all");
  const [ending, setEnding] = useState<Open | null>(null);
  const all = manages && wish === "all";
  const client = useQueryClient();
  const sessions = useQuery({ queryKey: ["sessions", all], queryFn: () => sent(api.GET("/api/v1/sessions", { params: { query: { all } } })) });
  const end = useMutation({
    mutationFn: (each: Open) => sent(api.DELETE("/api/v1/sessions/{session}", { params: { path: { session: each.id } } })),
    onSuccess: (_, each) => toast(`${each.name}’s session on ${browserOf(each.agent)} is over`),
    onError: (error) => toast(told(error), "fail"),
    onSettled: () => {
      setEnding(null);
      void client.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  return (
    <Page title="Settings">
      <Sections />
      {ending !== null && (
        <Modal title={ending.current ? "Sign out here?" : `End ${ending.name}’s session?`} onClose={() => setEnding(null)}>
          <p>{ending.current ? "This is the session that you look at: you sign in again to go on." : `Whoever uses it, ${browserOf(ending.agent)} at ${ending.address}, is asked to sign in again at once.`}</p>
          <div className="mt-5 flex justify-end gap-2">
            <button type="button" className="btn" onClick={() => setEnding(null)}>Keep it</button>
            <button type="button" className="btn btn-stop" disabled={end.isPending} onClick={() => {
              if (ending.current) void own.end();
              else end.mutate(ending);
            }}>{ending.current ? "Sign out" : "End it"}</button>
          </div>
        </Modal>
      )}
      <Panel title="Open sessions" actions={manages ? (
        <div role="group" aria-label="Whose" className="flex gap-1">
          <button type="button" className={`btn ${all ? "bg-accent-soft text-accent" : ""}`} aria-pressed={all} onClick={() => setWish("all")}>Everybody’s</button>
          <button type="button" className={`btn ${all ? "" : "bg-accent-soft text-accent"}`} aria-pressed={!all} onClick={() => setWish("mine")}>Mine</button>
        </div>
      ) : undefined}>
        {sessions.error !== null && <div className="p-4"><Fault error={sessions.error} /></div>}
        {sessions.isPending ? <Loading what="sessions" /> : sessions.data?.items.length === 0 ? <Empty title="No session is open">Who comes by an API key has none.</Empty> : (
          <Wide label="Sessions">
            <table className="grid-table">
              <thead><tr><th>Who</th><th>Browser</th><th>Address</th><th>Signed in by</th><th>Since</th><th>Last prolonged</th><th>Ends</th><th><span className="sr-only">Acts</span></th></tr></thead>
              <tbody>
                {sessions.data?.items.map((each) => (
                  <tr key={each.id}>
                    <td><span className="font-medium">{each.name}</span><br /><span className="text-sm text-ink-3">{each.username}</span></td>
                    <td><span title={each.agent}>{browserOf(each.agent)}</span>{each.current && <> <Badge tone="done">this one</Badge></>}</td>
                    <td className="font-mono text-sm">{each.address}</td>
                    <td>{BY[each.method] ?? each.method}</td>
                    <td><Time at={each.created_at} /></td><td><Time at={each.used_at} /></td><td><Time at={each.ends_at} /></td>
                    <td className="num"><button type="button" className="btn" aria-label={each.current ? "Sign out here" : `End ${each.name}’s session on ${browserOf(each.agent)}`} onClick={() => setEnding(each)}>{each.current ? "Sign out" : "End"}</button></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </Panel>
    </Page>
  );
}
