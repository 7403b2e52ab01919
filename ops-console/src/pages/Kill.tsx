import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";

import { api, item, sent } from "../api/client";
import { told } from "../api/problem";
import type { KillDetail } from "../api/rows";
import { Empty, Fault, Loading } from "../parts/Fault";
import { count, tail } from "../parts/format";
import { Facts, Page, Panel } from "../parts/Page";
import { Badge, Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { useKills, useSwitch } from "../shell/kill";
import { KillDialog } from "../shell/KillDialog";
import { toast } from "../shell/Toasts";

/** What is stopped, what that did, and the way back. */
export function Kill() {
  const kills = useKills();
  const { switch: chosen }: { switch?: string } = useSearch({ strict: false });
  const navigate = useNavigate();
  const [stopping, setStopping] = useState(false);
  const items = kills.data?.items ?? [];
  const shown = chosen ?? items[0]?.id;
  return (
    <Page title="Kill switch" lead="Stop new work at once, see what stopped, let it go again in stages."
      actions={<><Drill /><button type="button" className="btn btn-stop" onClick={() => setStopping(true)}>Stop something</button></>}>
      {stopping && <KillDialog onClose={() => setStopping(false)} />}
      {kills.error !== null && <Fault error={kills.error} />}
      <div className="space-y-4">
        {items.length === 0 && !kills.isPending && <div className="panel"><Empty title="Nothing is stopped">The button above, and <span className="kbd">!</span> on every page, stop a task, a pack, a tool, a model, or everything.</Empty></div>}
        {items.length > 1 && (
          <div className="flex flex-wrap gap-2">
            {items.map((each) => (
              <button key={each.id} type="button" aria-pressed={each.id === shown} className={`btn ${each.id === shown ? "btn-primary" : ""}`} onClick={() => void navigate({ to: "/kill", search: { switch: each.id } })}>
                {each.scope === "global" ? "everything" : `${each.scope} ${each.target}`}
              </button>
            ))}
          </div>
        )}
        {shown !== undefined && <Switch key={shown} id={shown} />}
      </div>
    </Page>
  );
}

function Switch({ id }: { id: string }) {
  const answer = useSwitch(id);
  if (answer.error !== null) return <Fault error={answer.error} />;
  if (answer.data === undefined) return <Loading what="the switch" />;
  const kill = answer.data;
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      <Panel title={kill.scope === "global" ? "Everything" : `${kill.scope} ${kill.target}`} actions={<Status state={kill.state ?? "engaged"} />}>
        <div className="space-y-4 p-4">
          <Facts rows={[
            ["Reason", kill.reason ?? "–"], ["By", kill.by?.id ?? "–"], ["Since", <Time key="since" at={kill.since} />],
            ["Mode", kill.mode === "halt" ? "halt: what was in flight is cancelled" : "drain: what was in flight may finish"],
            ...(kill.share_percent == null ? [] : [["Probation", `${kill.share_percent} % of tasks may start`] as [string, string]]),
          ]} />
          {kill.state !== "released" && <Release kill={kill} />}
          {kill.history.length > 0 && (
            <ol className="space-y-1 border-t border-line pt-3 text-ink-2">
              {kill.history.map((each, at) => <li key={at}><strong className="font-medium text-ink">{each.what}</strong> <Time at={each.at} /> by {each.by?.id ?? "–"}{each.reason !== undefined && `: ${each.reason}`}</li>)}
            </ol>
          )}
        </div>
      </Panel>
      <Panel title="What stopped" actions={<span className="flex gap-2"><Badge tone="done">{count(kill.cancelled.length)} stopped</Badge>{kill.unconfirmed.length > 0 && <Badge tone="fail">{count(kill.unconfirmed.length)} not confirmed</Badge>}</span>}>
        {kill.cancelled.length + kill.unconfirmed.length === 0 ? <p className="p-4 text-ink-2">Nothing was in flight in its scope. Nothing new starts.</p> : (
          <ul className="max-h-96 overflow-y-auto">
            {kill.unconfirmed.map((each, at) => <Hit key={`u${at}`} id={each.id} at={each.at} confirmed={false} />)}
            {kill.cancelled.map((each, at) => <Hit key={`c${at}`} id={each.id} at={each.at} confirmed />)}
          </ul>
        )}
      </Panel>
    </div>
  );
}

function Hit({ id, at, confirmed }: { id: string | null; at: string; confirmed: boolean }) {
  return (
    <li className="flex items-center gap-3 border-b border-line px-4 py-2 last:border-b-0">
      {confirmed ? <Badge tone="done">stopped</Badge> : <Badge tone="fail">not confirmed</Badge>}
      <span className="font-mono text-sm" title={id ?? undefined}>{tail(id ?? "")}</span>
      <span className="ml-auto text-ink-3"><Time at={at} /></span>
    </li>
  );
}

/** The way back: a share of the tasks first, or all; of a global switch, with a second person. */
function Release({ kill }: { kill: KillDetail }) {
  const [reason, setReason] = useState("");
  const [share, setShare] = useState(10);
  const client = useQueryClient();
  const done = () => Promise.all([client.invalidateQueries({ queryKey: ["kill"] }), client.invalidateQueries({ queryKey: ["switch"] })]);
  const release = useMutation({
    mutationFn: (stage: "probation" | "released") =>
      sent(api.POST("/api/v1/kill/{switch}/release", { params: { path: { switch: kill.id } }, body: { stage, share_percent: share, reason: reason.trim() } })),
    onSuccess: (answer) => toast(answer.status === "requested" ? "Asked for; a second person must confirm it" : `Now ${answer.status}`),
    onError: (error) => toast(told(error), "fail"),
    onSettled: done,
  });
  const confirm = useMutation({
    mutationFn: (request: number) => sent(api.POST("/api/v1/kill/{switch}/confirm", { params: { path: { switch: kill.id } }, body: { request, reason: reason.trim() } })),
    onSuccess: () => toast("Confirmed"),
    onError: (error) => toast(told(error), "fail"),
    onSettled: done,
  });
  const ready = reason.trim() !== "" && !release.isPending && !confirm.isPending;
  return (
    <div className="space-y-3 rounded-md border border-line bg-raised p-3">
      <label className="block"><span className="label">Why release it?</span>
        <input className="field" maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      {kill.requested !== null ? (
        <div className="flex flex-wrap items-center gap-3">
          <span>{kill.requested.by?.id ?? "Somebody"} asks to release it: “{kill.requested.reason}”. Another person must confirm.</span>
          <button type="button" className="btn btn-primary" disabled={!ready} onClick={() => kill.requested !== null && confirm.mutate(kill.requested.request)}>Confirm release</button>
        </div>
      ) : (
        <div className="flex flex-wrap items-center gap-2">
          <button type="button" className="btn" disabled={!ready} onClick={() => release.mutate("probation")}>Let {share} % start</button>
          <label className="flex items-center gap-2 text-sm text-ink-2">share
            <input type="range" min={1} max={99} value={share} onChange={(event) => setShare(Number(event.target.value))} className="accent-[var(--accent)]" />
          </label>
          <button type="button" className="btn btn-primary ml-auto" disabled={!ready} onClick={() => release.mutate("released")}>Release all</button>
        </div>
      )}
    </div>
  );
}

interface Drilled { rounds?: number; p50_ms?: number; p99_ms?: number; max_ms?: number; [more: string]: unknown }

/** How soon every instance sees a switch, measured with one that covers nothing. */
function Drill() {
  const drill = useMutation({
    mutationFn: () => item<Drilled>(api.POST("/api/v1/kill/drills", { body: { rounds: 20, reason: "drill from the console" } })),
    onSuccess: (figures) => toast(Object.entries(figures).filter(([name, value]) => name.endsWith("_ms") && typeof value === "number").map(([name, value]) => `${name.slice(0, -3)} ${String(value)} ms`).join(", ") || "Drilled; its figures are in the audit log"),
    onError: (error) => toast(told(error), "fail"),
  });
  return <button type="button" className="btn" disabled={drill.isPending} onClick={() => drill.mutate()}>{drill.isPending ? "Drilling…" : "Drill"}</button>;
}
