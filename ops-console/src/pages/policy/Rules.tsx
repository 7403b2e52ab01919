import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { api, sent } from "../../api/client";
import { Fault, Loading } from "../../parts/Fault";
import { count, tail } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Panel } from "../../parts/Page";
import { Badge } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { useActive, useHits, type Window, WINDOWS } from "./queries";

/** The rules that decide now with how often each did lately, and the versions that were published. */
export function Rules() {
  const active = useActive();
  const [window, setWindow] = useState<Window>("24h");
  const counted = useHits(window);
  const bundles = useQuery({ queryKey: ["bundles"], queryFn: () => sent(api.GET("/api/v1/policy/bundles")) });
  const hits = new Map(counted.data?.items.map((each) => [each.rule, each]));
  if (active.isPending || counted.isPending) return <Loading what="rules" />;
  const fault = active.error ?? counted.error;
  const rules = [...(active.data?.rules ?? [])].sort((one, other) => (hits.get(other.id)?.decided ?? 0) - (hits.get(one.id)?.decided ?? 0));
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[1fr_26rem]">
      <div className="min-w-0 space-y-4">
        {fault !== null && <Fault error={fault} onRetry={() => Promise.all([active.refetch(), counted.refetch()])} />}
        <Panel title={`${count(rules.length)} rules`} actions={(
          <label className="flex items-center gap-2 text-sm text-ink-2">over the last
            <select className="field w-auto" value={window} onChange={(event) => setWindow(event.target.value as Window)}>{Object.entries(WINDOWS).map(([value, name]) => <option key={value} value={value}>{name}</option>)}</select>
          </label>
        )}>
          <Wide label="Rules">
            <table className="grid-table">
              <thead><tr><th>Rule</th><th>Asked in</th><th className="num">Decided</th><th className="num">Watched</th><th>Last</th></tr></thead>
              <tbody>
                {rules.map((each) => {
                  const hit = hits.get(each.id);
                  return (
                    <tr key={`${each.package} ${each.id}`}>
                      <td className="font-mono text-sm">{hit === undefined ? each.id : <Link to="/policy" search={{ tab: "decisions", rule: each.id }}>{each.id}</Link>}</td>
                      <td className="text-ink-2">{each.package}</td>
                      <td className="num">{hit === undefined ? <span className="text-ink-3">not lately</span> : count(hit.decided)}</td>
                      <td className="num">{hit === undefined || hit.watched === 0 ? "" : count(hit.watched)}</td>
                      <td><Time at={hit?.last_at} /></td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </Wide>
        </Panel>
      </div>
      <div className="space-y-4">
        <Panel title="Versions">
          {bundles.error !== null && <Fault error={bundles.error} onRetry={bundles.refetch} />}
          <ul>
            {bundles.data?.items.map((each) => (
              <li key={each.version} className="flex flex-wrap items-baseline gap-x-3 border-b border-line px-4 py-2.5">
                <strong>v{each.version}</strong>{each.version === active.data?.version && <Badge tone="done">decides</Badge>}
                <span className="font-mono text-sm" title={each.revision}>{tail(each.revision)}</span>
                <span className="ml-auto text-sm text-ink-3">{typeof each.by["id"] === "string" ? each.by["id"] : "somebody"}, <Time at={each.published_at} /></span>
              </li>
            ))}
            <li className="flex flex-wrap items-baseline gap-x-3 px-4 py-2.5">
              <strong>Shipped with AgentOS</strong>{active.data?.version === 0 && <Badge tone="done">decides</Badge>}
              {active.data?.version === 0 && <span className="ml-auto font-mono text-sm" title={active.data.revision}>{tail(active.data.revision)}</span>}
            </li>
          </ul>
          <p className="border-t border-line px-4 py-3 text-sm text-ink-2">Publish another: <code>agentos policy sign</code>, then <code>agentos policy publish</code>. Try it on past decisions first.</p>
        </Panel>
        <Panel title="Configuration"><div className="p-3"><Json value={active.data?.config ?? {}} label="Configuration as JSON" /></div></Panel>
      </div>
    </div>
  );
}
