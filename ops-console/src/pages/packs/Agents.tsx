import type { KillSwitch } from "../../api/rows";
import type { components } from "../../api/schema";
import { Empty } from "../../parts/Fault";
import { count } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Wide } from "../../parts/Wide";
import { type Paused, PauseState } from "./Pause";

/** The agents of all live packs. */
export function Agents({ agents, engaged, onAsk }: { agents: components["schemas"]["Agent"][]; engaged: KillSwitch[]; onAsk: (what: Paused) => void }) {
  return (
    <Panel title="Agents">
      {agents.length === 0 ? <Empty title="No agent is alive">Start a runner with a folder of packs.</Empty> : (
        <Wide label="Table of agents">
          <table className="grid-table">
            <thead><tr><th>Agent</th><th>Takes</th><th>Versions</th><th className="num">Instances</th><th className="num">At work</th><th>State</th></tr></thead>
            <tbody>
              {agents.map((each) => (
                <tr key={each.id}>
                  <td className="min-w-48"><strong>{each.id}</strong><span className="block max-w-prose text-sm text-ink-2">{each.description}</span></td>
                  <td>{each.task_types.join(", ")}</td><td>{each.versions.join(", ")}</td>
                  <td className="num">{count(each.instances.length)}</td><td className="num">{count(each.instances.reduce((sum, one) => sum + one.active, 0))} of {count(each.instances.reduce((sum, one) => sum + one.max_active, 0))}</td>
                  <td><PauseState what={{ scope: "agent", target: each.id, by: engaged.find((one) => one.scope === "agent" && one.target === each.id) }} live={each.instances.length > 0} onAsk={onAsk} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
    </Panel>
  );
}
