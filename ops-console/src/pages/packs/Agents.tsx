import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, sent } from "../../api/client";
import { Empty } from "../../parts/Fault";
import { count } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { useMay } from "../../session/may";
import { AgentPanel } from "./AgentPanel";
import { Register } from "./AgentForms";
import { type Agent, PauseButton, type Paused, pathOf, Standing } from "./Pause";

export type Window = "1h" | "24h" | "7d" | "30d";

export function useMetrics(agent: Agent, window: Window) {
  return useQuery({
    queryKey: ["agent", agent.id, "metrics", window], refetchInterval: 30_000,
    queryFn: () => sent(api.GET("/api/v1/agents/{pack}/{agent}/metrics", { params: { ...pathOf(agent), query: { window } } })),
  });
}

/** Every agent that packs declare or somebody registered. */
export function Agents({ agents, onAsk }: { agents: Agent[]; onAsk: (what: Paused) => void }) {
  const [opened, open] = useState<string | null>(null);
  const [registering, register] = useState(false);
  const may = useMay("agents.manage");
  const shown = agents.find((each) => each.id === opened);
  return (
    <>
      {registering && <Register onClose={() => register(false)} />}
      {shown !== undefined && <AgentPanel key={shown.id} agent={shown} onClose={() => open(null)} />}
      <Panel title="Agents" actions={may && <button type="button" className="btn btn-primary" onClick={() => register(true)}>Register an agent</button>}>
        {agents.length === 0 ? <Empty title="No agent is known">Start a runner with a folder of packs, or register an agent that runs elsewhere.</Empty> : (
          <Wide label="Table of agents">
            <table className="grid-table">
              <thead><tr><th>Agent</th><th>State</th><th className="num">Instances</th><th className="num">At work</th><th>Last heard of</th><th className="num">Completed, 24 h</th><th>Versions</th><th><span className="sr-only">Acts</span></th></tr></thead>
              <tbody>{agents.map((each) => <Row key={each.id} agent={each} onOpen={() => open(each.id)} onAsk={onAsk} />)}</tbody>
            </table>
          </Wide>
        )}
      </Panel>
    </>
  );
}

function Row({ agent, onOpen, onAsk }: { agent: Agent; onOpen: () => void; onAsk: (what: Paused) => void }) {
  const metrics = useMetrics(agent, "24h").data;
  const busy = agent.instances.reduce((sum, one) => sum + one.active, 0);
  return (
    <tr>
      <td className="min-w-48">
        <button type="button" className="text-left font-semibold text-accent underline-offset-2 hover:underline" onClick={onOpen}>{agent.id}</button>
        <span className="block max-w-prose text-sm text-ink-2">{agent.kind === "external" ? "external" : `takes ${agent.task_types.join(", ") || "nothing"}`}{agent.description !== "" && `: ${agent.description}`}</span>
      </td>
      <td><Standing agent={agent} /></td>
      <td className="num">{count(agent.instances.length)}</td>
      <td className="num">{agent.instances.length === 0 ? "–" : `${count(busy)} of ${count(agent.instances.reduce((sum, one) => sum + one.max_active, 0))}`}</td>
      <td>{agent.seen_at !== null ? <Time at={agent.seen_at} /> : agent.since !== null ? <>until <Time at={agent.since} /></> : <span className="text-ink-3">never</span>}</td>
      <td className="num">{metrics === undefined ? "" : metrics.success_rate === null ? "–" : `${Math.round(metrics.success_rate * 100)} % of ${count(metrics.settled)}`}</td>
      <td>{agent.versions.join(", ") || "–"}</td>
      <td className="num"><PauseButton title={agent.id} agents={[agent]} onAsk={onAsk} /></td>
    </tr>
  );
}
