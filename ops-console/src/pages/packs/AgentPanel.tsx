import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Fault } from "../../parts/Fault";
import { count, duration, short, usd } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { Facts } from "../../parts/Page";
import { Bar } from "../../parts/Sum";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { useMay } from "../../session/may";
import { useNames } from "../../shell/people";
import { Edit, Unregister } from "./AgentForms";
import { useMetrics, type Window } from "./Agents";
import { type Agent, pathOf, Standing } from "./Pause";

/** All that is known of one agent; with what an administrator may do to it. */
export function AgentPanel({ agent, onClose }: { agent: Agent; onClose: () => void }) {
  const [asked, ask] = useState<"edit" | "unregister" | null>(null);
  const may = useMay("agents.manage");
  if (asked === "edit") return <Edit agent={agent} onClose={() => ask(null)} />;
  if (asked === "unregister") return <Unregister agent={agent} onClose={() => ask(null)} />;
  return (
    <Modal title={agent.id} onClose={onClose} wide>
      <div className="space-y-6">
        <div className="flex flex-wrap items-center justify-between gap-3">
          <span className="flex flex-wrap items-center gap-2"><Standing agent={agent} />{agent.reason !== "" && agent.state !== "active" && <span className="text-ink-2">{agent.reason}</span>}</span>
          {may && agent.state !== "unregistered" && (
            <span className="flex gap-2">
              <button type="button" className="btn" onClick={() => ask("edit")}>Edit…</button>
              <button type="button" className="btn btn-stop" onClick={() => ask("unregister")}>Unregister…</button>
            </span>
          )}
        </div>
        <Facts rows={[
          ["Runs", agent.kind === "hosted" ? "in a pack, hosted by runners" : `elsewhere; gone after ${count(agent.silent_after_s)} s without a heartbeat`],
          ["About", agent.description || agent.pack_description || "–"],
          ["Labels", Object.entries(agent.labels).map(([name, value]) => `${name}: ${value}`).join(", ") || "–"],
          ["Takes", agent.task_types.join(", ") || "–"],
          ["Versions", agent.versions.join(", ") || "–"],
          ["Capabilities", agent.capabilities.join(", ") || "–"],
          ["Virtual keys", count(agent.virtual_keys)],
          ["Stopped by", agent.stopped_by.length === 0 ? "nothing" : <Link to="/kill">{agent.stopped_by.map((each) => `a switch for ${each.scope}`).join(", ")}</Link>],
          ["Revision", count(agent.revision)],
        ]} />
        <Metrics agent={agent} />
        {agent.instances.length > 0 && (
          <section aria-label="Instances"><h3 className="mb-1">Instances</h3>
            <Wide label={`Instances of ${agent.id}`}>
              <table className="grid-table">
                <thead><tr><th>Instance</th><th>Version</th><th className="w-1/3">At work</th><th>Last heard of</th></tr></thead>
                <tbody>{agent.instances.map((each) => <tr key={each.id}><td className="font-mono text-sm">{each.id}</td><td>{each.version || "–"}</td><td><span className="text-sm">{count(each.active)} of {count(each.max_active)}</span><Bar share={each.active / each.max_active} /></td><td><Time at={each.seen_at} /></td></tr>)}</tbody>
              </table>
            </Wide>
          </section>
        )}
        {agent.tools.length > 0 && (
          <section aria-label="Tools"><h3 className="mb-1">Tools that it may ask for</h3>
            <ul className="space-y-1">{agent.tools.map((each) => <li key={each.name}><code className="font-mono">{each.name}</code> <span className="text-ink-3">{each.effect}</span><span className="block text-sm text-ink-2">{each.description}</span></li>)}</ul>
          </section>
        )}
        <Log agent={agent} />
      </div>
    </Modal>
  );
}

const WINDOWS: [Window, string][] = [["1h", "hour"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"]];

function Metrics({ agent }: { agent: Agent }) {
  const [window, setWindow] = useState<Window>("24h");
  const metrics = useMetrics(agent, window);
  const said = metrics.data;
  const list = (counts: Record<string, number>): string => Object.entries(counts).map(([name, tasks]) => `${count(tasks)} ${name}`).join(", ") || "none";
  return (
    <section aria-label="Figures">
      <div className="mb-1 flex items-center justify-between gap-3"><h3>Figures</h3>
        <label className="flex items-center gap-2 text-sm text-ink-2">of the last <select className="field w-auto" value={window} onChange={(event) => setWindow(event.target.value as Window)}>{WINDOWS.map(([value, name]) => <option key={value} value={value}>{name}</option>)}</select></label>
      </div>
      {metrics.error !== null && <Fault error={metrics.error} onRetry={metrics.refetch} />}
      {said !== undefined && <Facts rows={[
        ["Completed", said.success_rate === null ? "no task has settled" : `${Math.round(said.success_rate * 100)} % of ${count(said.settled)}: ${list(said.by_outcome)}`],
        ["Under way", list(said.open)],
        ["A task takes", said.latency.p50_ms === null ? "–" : `${duration(said.latency.p50_ms)} in the middle, ${duration(said.latency.p95_ms ?? 0)} at the 95th percentile`],
        ["Calls", `${short(said.calls)} of models, ${short(said.tool_calls)} of tools, ${short(said.input_tokens + said.output_tokens)} tokens, ${usd(said.cost_usd)}`],
        ...(said.unpriced_attempts + said.simulated_attempts === 0 ? [] : [["Of which", `${count(said.unpriced_attempts)} without a price, ${count(said.simulated_attempts)} simulated`] as [string, string]]),
        ["Refusals", count(said.refusals)],
      ]} />}
    </section>
  );
}

type Told = components["schemas"]["EventItem"];

function Log({ agent }: { agent: Agent }) {
  const log = useInfiniteQuery({
    queryKey: ["agent", agent.id, "logs"],
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/agents/{pack}/{agent}/logs", { params: { ...pathOf(agent), query: { limit: 20, ...(pageParam === null ? {} : { cursor: pageParam }) } } })),
    initialPageParam: null as string | null, getNextPageParam: (last) => last.next_cursor,
  });
  const { nameOf } = useNames();
  const rows = log.data?.pages.flatMap((each) => each.items) ?? [];
  return (
    <section aria-label="Log"><h3 className="mb-1">What happened to it</h3>
      {log.error !== null && <Fault error={log.error} onRetry={log.refetch} />}
      {log.data !== undefined && rows.length === 0 && <p className="text-ink-3">Nothing yet.</p>}
      <ol className="space-y-1">{rows.map((each) => <li key={each.seq} className="flex flex-wrap gap-x-3"><span className="w-28 shrink-0 text-ink-3"><Time at={each.time} /></span><span className="min-w-0 break-words">{words(each, nameOf)}</span></li>)}</ol>
      {log.hasNextPage && <button type="button" className="btn mt-2" disabled={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>Older</button>}
    </section>
  );
}

/** An event of an agent, as one says it. */
function words(told: Told, nameOf: (id: string | undefined) => string): string {
  const data = (told.data ?? {}) as { change?: string; reason?: string; by?: { id: string }; online?: boolean; instances?: number; what?: string; detail?: string };
  if (told.type === "presence.changed") return data.online === true ? "came" : "went";
  if (told.type === "agent.changed") return `${data.change ?? "changed"} by ${nameOf(data.by?.id)}${data.reason === undefined || data.reason === "" ? "" : `: ${data.reason}`}`;
  return `was refused ${data.what ?? "something"}${data.detail === undefined ? "" : `: ${data.detail}`}`;
}
