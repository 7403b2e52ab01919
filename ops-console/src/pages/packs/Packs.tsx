import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { Page } from "../../parts/Page";
import { tabOf, Tabs } from "../../parts/Tabs";
import { usePacks } from "../../shell/kill";
import { Agents } from "./Agents";
import { PackCard } from "./PackCard";
import { Pause, type Paused } from "./Pause";

export type Pack = components["schemas"]["PackItem"];
const TABS = { packs: "Packs", agents: "Agents" } as const;
const route = getRouteApi("/app/packs");

/** Who can take work, what runs there, how it went, and a pause for any of them. */
export function Packs() {
  const tab = tabOf(TABS, route.useSearch().tab);
  const packs = usePacks();
  const agents = useQuery({ queryKey: ["agents"], queryFn: () => sent(api.GET("/api/v1/agents")), refetchInterval: 15_000 });
  const [asked, ask] = useState<Paused | null>(null);
  const all = agents.data?.items ?? [];
  const fault = packs.error ?? agents.error;
  return (
    <Page title="Packs" lead="Who can take work, and how it went.">
      <Tabs to="/packs" label="Packs and agents" tabs={TABS} current={tab} />
      {asked !== null && <Pause what={asked} onClose={() => ask(null)} />}
      {fault !== null && <Fault error={fault} onRetry={() => Promise.all([packs.refetch(), agents.refetch()])} />}
      {packs.isPending || agents.isPending ? <Loading what="packs" /> : tab === "agents" ? <Agents agents={all} onAsk={ask} />
        : packs.data?.items.length === 0 ? <div className="panel"><Empty title="No pack is alive">Start a runner with a folder of packs: <code>agentos up</code> runs the demo&apos;s.</Empty></div> : (
          <div className="grid items-start gap-4 xl:grid-cols-2">
            {(packs.data?.items ?? []).map((pack) => <PackCard key={pack.name} pack={pack} agents={all.filter((each) => each.pack === pack.name && each.kind === "hosted")} onAsk={ask} />)}
          </div>
        )}
    </Page>
  );
}
