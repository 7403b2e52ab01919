import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, item, page } from "../api/client";
import type { Budget, Costs } from "../api/rows";
import { Empty, Fault, Loading } from "../parts/Fault";
import { count, short, usd } from "../parts/format";
import { Page, Panel } from "../parts/Page";
import { Badge } from "../parts/Status";
import { Time } from "../parts/Time";
import { Wide } from "../parts/Wide";

const BY = ["pack", "agent", "model", "provider", "task_type", "user", "api_key", "tenant", "day"] as const;
const SPANS = { "24 hours": 86_400_000, "7 days": 604_800_000, "30 days": 2_592_000_000, "All time": null } as const;
type SpanName = keyof typeof SPANS;

export function Cost() {
  const [by, setBy] = useState<string>("model");
  const [span, setSpan] = useState<SpanName>("30 days");
  const answer = useQuery({
    queryKey: ["costs", by, span], placeholderData: keepPreviousData,
    queryFn: () => {
      const ms = SPANS[span];
      return item<Costs>(api.GET("/api/v1/costs", { params: { query: { by, ...(ms === null ? {} : { from: new Date(Date.now() - ms).toISOString() }) } } }));
    },
  });
  const budgets = useQuery({ queryKey: ["budgets"], queryFn: () => page<Budget>(api.GET("/api/v1/budgets")) });
  const total = answer.data?.total;
  const groups = [...(answer.data?.groups ?? [])].sort((one, other) => Number(other.cost_usd) - Number(one.cost_usd) || other.calls - one.calls);
  const most = Math.max(...groups.map((each) => Number(each.cost_usd) || each.calls / 1e9), Number.MIN_VALUE);
  return (
    <Page title="Cost" lead="What model calls cost: every attempt counts, also those that failed."
      actions={<>
        <label className="flex items-center gap-2 text-ink-2">By<select className="field w-auto" value={by} onChange={(event) => setBy(event.target.value)}>{BY.map((each) => <option key={each} value={each}>{each.replace("_", " ")}</option>)}</select></label>
        <label className="flex items-center gap-2 text-ink-2">In<select className="field w-auto" value={span} onChange={(event) => setSpan(event.target.value as SpanName)}>{Object.keys(SPANS).map((each) => <option key={each}>{each}</option>)}</select></label>
      </>}>
      {answer.error !== null && <Fault error={answer.error} />}
      <div className="mb-4 grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Sum name="Spent" value={usd(total?.cost_usd ?? 0)} note={total !== undefined && total.unpriced_calls > 0 ? `${count(total.unpriced_calls)} calls have no price` : "every call has a price"} />
        <Sum name="Saved by cache and routing" value={usd(total?.saved_usd ?? 0)} note={`${count(total?.cached_calls ?? 0)} calls from the cache`} />
        <Sum name="Calls" value={short(total?.calls ?? 0)} note={`${short(total?.attempts ?? 0)} attempts, ${short(total?.simulated_calls ?? 0)} simulated`} />
        <Sum name="Tokens" value={short((total?.input_tokens ?? 0) + (total?.output_tokens ?? 0))} note={`${short(total?.input_tokens ?? 0)} in, ${short(total?.output_tokens ?? 0)} out`} />
      </div>
      <div className="grid items-start gap-4 xl:grid-cols-[1fr_26rem]">
        <Panel title={`By ${by.replace("_", " ")}`}>
          {answer.isPending ? <Loading what="costs" /> : groups.length === 0 ? <Empty title="Nothing was spent in this time" /> : (
            <Wide label="Costs">
              <table className="grid-table">
                <thead><tr><th>{by.replace("_", " ")}</th><th className="w-1/4">Share</th><th className="num">Cost</th><th className="num">Calls</th><th className="num">Tokens in</th><th className="num">Tokens out</th></tr></thead>
                <tbody>
                  {groups.map((each, at) => (
                    <tr key={at}>
                      <td className="font-medium">{String(each[by] ?? "none")}</td>
                      <td><svg viewBox="0 0 100 8" preserveAspectRatio="none" className="mt-1.5 h-2 w-full" aria-hidden="true"><rect width={((Number(each.cost_usd) || each.calls / 1e9) / most) * 100} height="8" fill="var(--accent)" /></svg></td>
                      <td className="num">{usd(each.cost_usd)}</td><td className="num">{count(each.calls)}</td><td className="num">{short(each.input_tokens)}</td><td className="num">{short(each.output_tokens)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Wide>
          )}
        </Panel>
        <Panel title="Budgets">
          {budgets.error !== null && <Fault error={budgets.error} />}
          {budgets.data?.items.length === 0 && <Empty title="No budget is in use" />}
          <ul>{budgets.data?.items.map((each) => <BudgetLine key={each.account} budget={each} />)}</ul>
        </Panel>
      </div>
    </Page>
  );
}

function Sum({ name, value, note }: { name: string; value: string; note: string }) {
  return <div className="panel px-4 py-3"><span className="block text-sm text-ink-2">{name}</span><span className="block text-2xl font-semibold tracking-tight">{value}</span><span className="block text-sm text-ink-3">{note}</span></div>;
}

/** Burn-down: the share that is spent, and how much of the window is over. */
function BudgetLine({ budget }: { budget: Budget }) {
  const amount = (value: string): string => (budget.metric === "usd" ? usd(value) : short(Number(value)));
  const limit = Number(budget.limit);
  const spent = limit === 0 ? 1 : Math.min(Number(budget.spent) / limit, 1);
  const over = budget.forecast !== null && Number(budget.forecast) > limit;
  return (
    <li className="space-y-1.5 border-b border-line px-4 py-3 last:border-b-0">
      <div className="flex items-center justify-between gap-2"><strong>{budget.id}</strong><Badge tone={spent >= 1 ? "fail" : over ? "wait" : "done"}>{spent >= 1 ? "used up" : over ? "will not last" : "on course"}</Badge></div>
      <meter className="w-full" min={0} max={1} value={spent} aria-label={`${budget.id}, share spent`} />
      <p className="text-sm text-ink-2">{amount(budget.spent)} of {amount(budget.limit)} {budget.metric === "usd" ? "" : budget.metric} this {budget.window}, {budget.mode}{budget.forecast !== null && <>; forecast {amount(budget.forecast)}</>}{budget.ends_at !== null && <>; ends <Time at={budget.ends_at} /></>}</p>
    </li>
  );
}
