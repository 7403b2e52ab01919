import { getRouteApi } from "@tanstack/react-router";

import { Page } from "../../parts/Page";
import { tabOf, Tabs } from "../../parts/Tabs";
import { Backtest } from "./Backtest";
import { Decisions } from "./Decisions";
import { Rules } from "./Rules";

const TABS = { decisions: "Decisions", rules: "Rules and versions", backtest: "Try other rules" } as const;
const route = getRouteApi("/app/policy");

/** Which rules decide, every decision with the question that it answers, and what other rules would have said. */
export function Policy() {
  const { tab: named, rule } = route.useSearch();
  const tab = tabOf(TABS, named);
  return (
    <Page title="Policy" lead="Every task, call and tool is decided before it is done.">
      <Tabs to="/policy" label="Policy" tabs={TABS} current={tab} />
      {tab === "decisions" && <Decisions rule={rule} />}
      {tab === "rules" && <Rules />}
      {tab === "backtest" && <Backtest />}
    </Page>
  );
}
