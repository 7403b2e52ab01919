import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { api, sent } from "../../api/client";
import { Fault } from "../../parts/Fault";
import { count, short, usd } from "../../parts/format";
import { Facts, Panel } from "../../parts/Page";
import { Bar } from "../../parts/Sum";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { unsettled } from "../../shell/kill";
import { type Agent, PauseButton, type Paused, Standing } from "./Pause";
import type { Pack } from "./Packs";

const OUTCOMES = ["completed", "failed", "refused", "cancelled", "expired"] as const;
const TONES = { completed: "--done", failed: "--fail", refused: "--hold", cancelled: "--idle", expired: "--wait" } as const;

/** How the newest tasks of a pack ended. */
function useOutcomes(pack: string) {
  return useQuery({
    queryKey: ["tasks", "outcomes", pack], refetchInterval: 30_000,
    queryFn: async () => {
      const answer = await sent(api.GET("/api/v1/tasks", { params: { query: { pack, state: "settled", limit: 200 } } }));
      return Object.fromEntries(OUTCOMES.map((outcome) => [outcome, answer.items.filter((task) => task.outcome === outcome).length])) as Record<(typeof OUTCOMES)[number], number>;
    },
  });
}

function Ended({ counts }: { counts: Record<(typeof OUTCOMES)[number], number> }) {
  const settled = Object.values(counts).reduce((sum, each) => sum + each, 0);
  if (settled === 0) return <p className="text-ink-3">None has ended yet.</p>;
  return (
    <>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" className="h-2.5 w-full" aria-hidden="true">
        {OUTCOMES.map((outcome, at) => <rect key={outcome} x={(OUTCOMES.slice(0, at).reduce((sum, each) => sum + counts[each], 0) / settled) * 100} width={(counts[outcome] / settled) * 100} height="8" fill={`var(${TONES[outcome]})`} />)}
      </svg>
      <p className="mt-1 text-sm text-ink-2">{Math.round((counts.completed / settled) * 100)} % of {count(settled)} completed: {OUTCOMES.filter((each) => counts[each] > 0).map((each) => `${count(counts[each])} ${each}`).join(", ")}</p>
    </>
  );
}

export function PackCard({ pack, agents, onAsk }: { pack: Pack; agents: Agent[]; onAsk: (what: Paused) => void }) {
  const outcomes = useOutcomes(pack.name);
  const stats = pack.stats ?? null;
  const open = Object.entries(stats?.by_state ?? {}).filter(([state]) => state !== "settled");
  return (
    <Panel title={pack.name} actions={<PauseButton title={pack.name} agents={agents} pack={pack.name} onAsk={onAsk} />}>
      <div className="space-y-4 p-4">
        {pack.description !== "" && <p>{pack.description}</p>}
        <div>
          <h3 className="mb-1">How its newest tasks ended</h3>
          {outcomes.error !== null && <Fault error={outcomes.error} />}
          {outcomes.data !== undefined ? <Ended counts={outcomes.data} /> : outcomes.isPending && <p className="text-ink-3">…</p>}
        </div>
        <Facts rows={[
          ["Queue", unsettled(pack) === 0 ? "empty" : <Link key="q" to="/tasks" search={{ pack: pack.name }}>{open.map(([state, tasks]) => `${count(tasks)} ${state}`).join(", ")}</Link>],
          ["Tasks", <Link key="t" to="/tasks" search={{ pack: pack.name }}>{count(stats?.tasks ?? 0)}</Link>],
          ["Agents", agents.length === 0 ? "–" : <ul key="a" className="space-y-1">{agents.map((each) => <li key={each.id} className="flex flex-wrap items-center gap-2"><Standing agent={each} /><span>{each.agent} takes {each.task_types.join(", ")}</span></li>)}</ul>],
          ["Tools", [...new Map(agents.flatMap((each) => each.tools).map((each) => [each.name, each.effect]))].map(([name, effect]) => `${name} (${effect})`).join(", ") || "–"],
          ["Capabilities", agents[0]?.capabilities.join(", ") || "–"],
          ["Versions", pack.versions.join(", ") || "–"],
          ["Calls", `${short(stats?.calls ?? 0)}, ${short((stats?.input_tokens ?? 0) + (stats?.output_tokens ?? 0))} tokens, ${usd(stats?.cost_usd ?? 0)}`],
          ["Refusals", count(stats?.refusals ?? 0)],
        ]} />
        {pack.instances.length > 0 && (
          <Wide label={`Instances of ${pack.name}`}>
            <table className="grid-table">
              <thead><tr><th>Instance</th><th className="w-1/3">At work</th><th>Seen</th></tr></thead>
              <tbody>{pack.instances.map((each) => <tr key={each.id}><td className="font-mono text-sm">{each.id}</td><td><span className="text-sm">{count(each.active)} of {count(each.max_active)}</span><Bar share={each.active / each.max_active} /></td><td><Time at={each.seen_at} /></td></tr>)}</tbody>
            </table>
          </Wide>
        )}
      </div>
    </Panel>
  );
}
