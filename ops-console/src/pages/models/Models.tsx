import { getRouteApi } from "@tanstack/react-router";

import { Page } from "../../parts/Page";
import { tabOf, Tabs } from "../../parts/Tabs";
import { Explain } from "./Explain";
import { Providers } from "./Providers";
import { Simulate } from "./Simulate";

const TABS = { health: "Health", routing: "Why a call went there", simulate: "Try a configuration" } as const;
const route = getRouteApi("/app/models");

/** Which models serve calls, how they are, why a call went where it went, and where it would go otherwise. */
export function Models() {
  const { tab: named, call } = route.useSearch();
  const tab = tabOf(TABS, named);
  return (
    <Page title="Models" lead="Providers as the routers that are alive see them.">
      <Tabs to="/models" label="Models" tabs={TABS} current={tab} />
      {tab === "health" && <Providers />}
      {tab === "routing" && <Explain call={call} />}
      {tab === "simulate" && <Simulate />}
    </Page>
  );
}
