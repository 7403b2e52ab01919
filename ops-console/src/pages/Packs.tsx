import { useState } from "react";

import { Empty, Fault, Loading } from "../parts/Fault";
import { count, short, usd } from "../parts/format";
import { Facts, Page, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { Wide } from "../parts/Wide";
import { unsettled, usePacks } from "../shell/kill";
import { KillDialog } from "../shell/KillDialog";

export function Packs() {
  const answer = usePacks();
  const [stopping, setStopping] = useState<string | null>(null);
  return (
    <Page title="Packs" lead="Who can take work, and how it went.">
      {stopping !== null && <KillDialog scope="pack" target={stopping} onClose={() => setStopping(null)} />}
      {answer.error !== null && <Fault error={answer.error} />}
      {answer.isPending ? <Loading what="packs" /> : answer.data?.items.length === 0 ? <div className="panel"><Empty title="No pack is alive">Start a runner with a folder of packs.</Empty></div> : (
        <div className="grid gap-4 lg:grid-cols-2">
          {answer.data?.items.map((pack) => (
            <Panel key={pack.name} title={pack.name} actions={<span className="flex items-center gap-2"><Status state={pack.live ? "live" : "gone"} /><button type="button" className="btn" onClick={() => setStopping(pack.name)}>Stop…</button></span>}>
              <div className="space-y-4 p-4">
                <p>{pack.description}</p>
                <Facts rows={[
                  ["Agents", pack.agents?.join(", ") ?? "–"], ["Takes", pack.task_types?.join(", ") ?? "–"], ["Versions", pack.versions?.join(", ") ?? "–"],
                  ["Tasks", `${count(pack.stats?.tasks ?? 0)}, ${count(unsettled(pack))} not settled`],
                  ["By state", Object.entries(pack.stats?.by_state ?? {}).map(([state, tasks]) => `${count(tasks)} ${state}`).join(", ") || "–"],
                  ["Model calls", short(pack.stats?.calls ?? 0)], ["Cost", usd(pack.stats?.cost_usd ?? 0)],
                ]} />
                {pack.instances.length > 0 && (
                  <Wide label="Instances">
                    <table className="grid-table">
                      <thead><tr><th>Instance</th><th className="num">Active</th><th className="num">Room for</th><th>Seen</th></tr></thead>
                      <tbody>{pack.instances.map((each) => <tr key={each.id}><td className="font-mono text-sm">{each.id}</td><td className="num">{each.active}</td><td className="num">{each.max_active}</td><td><Time at={each.seen_at} /></td></tr>)}</tbody>
                    </table>
                  </Wide>
                )}
              </div>
            </Panel>
          ))}
        </div>
      )}
    </Page>
  );
}
