import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";

import { api, item, sent } from "../api/client";
import { told } from "../api/problem";
import type { Drilled, KillDetail, Stopped } from "../api/rows";
import { useDraft } from "../parts/drafts";
import { Empty, Fault, Loading } from "../parts/Fault";
import { count, duration, tail } from "../parts/format";
import { Facts, Page, Panel } from "../parts/Page";
import { Badge, Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { useSession } from "../session/session";
import { useKills, useSwitch } from "../shell/kill";
import { KillDialog } from "../shell/KillDialog";
import { useNames } from "../shell/people";
import { toast } from "../shell/Toasts";
import { Figures } from "./kill/Figures";
import { PastDrills, PastSwitches } from "./kill/Past";

/** What is stopped, what that did, and the way back. */
export function Kill() {
  const kills = useKills();
  const { switch: chosen }: { switch?: string } = useSearch({ strict: false });
  const navigate = useNavigate();
  const [stopping, setStopping] = useState(false);
  const drill = useDrill();
  const items = kills.data?.items ?? [];
  const shown = chosen ?? items[0]?.id;
  return (
    <Page title="Kill switch" lead="Stop new work at once, see what stopped, let it go again in stages."
      actions={<><button type="button" className="btn" disabled={drill.pending} onClick={drill.begin}>{drill.pending ? "Drilling…" : "Drill"}</button><button type="button" className="btn btn-stop" onClick={() => setStopping(true)}>Stop something</button></>}>
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
        {drill.figures !== undefined && <Figures drilled={drill.figures} />}
        <PastSwitches />
        <PastDrills />
      </div>
    </Page>
  );
}

function Switch({ id }: { id: string }) {
  const answer = useSwitch(id);
  const { nameOf } = useNames();
  if (answer.error !== null) return <Fault error={answer.error} />;
  if (answer.data === undefined) return <Loading what="the switch" />;
  const kill = answer.data;
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      <Panel title={kill.scope === "global" ? "Everything" : `${kill.scope} ${kill.target}`} actions={<Status state={kill.state ?? "engaged"} />}>
        <div className="space-y-4 p-4">
          <Facts rows={[
            ["Reason", kill.reason ?? "–"], ["By", nameOf(kill.by?.id)], ["Since", <Time key="since" at={kill.since} />],
            ["Mode", kill.mode === "halt" ? "halt: what was in flight is cancelled" : "drain: what was in flight may finish"],
            ...(kill.share_percent == null ? [] : [["Probation", `${kill.share_percent} % of tasks may start`] as [string, string]]),
          ]} />
          {kill.state !== "released" && <Release kill={kill} />}
          {kill.history.length > 0 && (
            <ol className="space-y-1 border-t border-line pt-3 text-ink-2">
              {kill.history.map((each, at) => <li key={at}><strong className="font-medium text-ink">{each.what}</strong> <Time at={each.at} /> by {nameOf(each.by?.id)}{each.reason !== undefined && `: ${each.reason}`}</li>)}
            </ol>
          )}
        </div>
      </Panel>
      <Panel title="What stopped" actions={<span className="flex flex-wrap gap-2"><Badge tone="done">{count(kill.cancelled.length)} stopped</Badge>{kill.unconfirmed.length > 0 && <Badge tone="fail">{count(kill.unconfirmed.length)} not confirmed</Badge>}{kill.looks !== null && kill.looks.running > 0 && <Badge tone="run">{count(kill.looks.running)} still finishing</Badge>}</span>}>
        {kill.cancelled.length + kill.unconfirmed.length === 0 ? <p className="p-4 text-ink-2">{kill.looks === null ? "Looking at what is in flight…" : kill.looks.running > 0 ? "What is in flight may finish. Nothing new starts." : "Nothing was in flight in its scope. Nothing new starts."}</p> : (
          <ul className="max-h-96 overflow-y-auto" aria-label="What stopped and what did not">
            {kill.unconfirmed.map((each, at) => <Hit key={`u${at}`} hit={each} confirmed={false} />)}
            {kill.cancelled.map((each, at) => <Hit key={`c${at}`} hit={each} confirmed />)}
          </ul>
        )}
        {kill.looks !== null && <p className="border-t border-line px-4 py-2 text-sm text-ink-3">Looked at <Time at={kill.looks.at} />{kill.looks.last_after_ms !== null && `; the last one stopped after ${duration(kill.looks.last_after_ms)}`}.</p>}
      </Panel>
    </div>
  );
}

function Hit({ hit, confirmed }: { hit: Stopped; confirmed: boolean }) {
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 last:border-b-0">
      {confirmed ? <Badge tone="done">stopped</Badge> : <Badge tone="fail">not confirmed</Badge>}
      <span>{hit.what === "attempt" ? "run" : hit.what === "call" ? "model call" : "tool call"} of {hit.pack}/{hit.agent}</span>
      <Link to="/tasks/$task" params={{ task: hit.task }} className="font-mono text-sm" title={hit.task}>{tail(hit.task)}</Link>
      <span className="ml-auto text-ink-3">{hit.after_ms === undefined ? <Time at={hit.at} /> : `after ${duration(hit.after_ms)}`}</span>
      {hit.why !== undefined && <span className="w-full text-sm text-fail">{hit.why}</span>}
    </li>
  );
}

/** The way back: a share of the tasks first, or all; of a global switch, with a second person. */
function Release({ kill }: { kill: KillDetail }) {
  const { nameOf } = useNames();
  const me = useSession().signedIn?.id;
  const [reason, setReason, sentIt] = useDraft(`release:${kill.id}`);
  const [share, setShare] = useState(10);
  const client = useQueryClient();
  const done = () => Promise.all([client.invalidateQueries({ queryKey: ["kill"] }), client.invalidateQueries({ queryKey: ["switch"] })]);
  const release = useMutation({
    mutationFn: (stage: "probation" | "released") =>
      sent(api.POST("/api/v1/kill/{switch}/release", { params: { path: { switch: kill.id } }, body: { stage, share_percent: share, reason: reason.trim() } })),
    onSuccess: (answer) => {
      sentIt();
      toast(answer.status === "requested" ? "Asked for; a second person must confirm it" : `Now ${answer.status}`);
    },
    onError: (error) => toast(told(error), "fail"),
    onSettled: done,
  });
  const confirm = useMutation({
    mutationFn: (request: number) => sent(api.POST("/api/v1/kill/{switch}/confirm", { params: { path: { switch: kill.id } }, body: { request, reason: reason.trim() } })),
    onSuccess: () => {
      sentIt();
      toast("Confirmed");
    },
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
          <span>{capital(nameOf(kill.requested.by?.id))} {kill.requested.by?.id === me ? "ask" : "asks"} to release it: “{kill.requested.reason}”. Another person must confirm.</span>
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

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

interface Drilling { pending: boolean; begin: () => void; figures: Drilled | undefined }

/** How soon every instance sees a switch, measured with one that covers nothing. */
function useDrill(): Drilling {
  const client = useQueryClient();
  const drill = useMutation({
    mutationFn: () => item<Drilled>(api.POST("/api/v1/kill/drills", { body: { rounds: 20, reason: "drill from the console" } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["kill", "drills"] }),
    onError: (error) => toast(told(error), "fail"),
  });
  return { pending: drill.isPending, begin: () => drill.mutate(), figures: drill.data };
}
