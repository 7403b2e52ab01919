import { useQuery } from "@tanstack/react-query";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { short, usd } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Badge, type Tone } from "../../parts/Status";
import { Time, useNow } from "../../parts/Time";

type Budget = components["schemas"]["BudgetItem"];

export function Budgets() {
  const budgets = useQuery({ queryKey: ["budgets"], queryFn: () => sent(api.GET("/api/v1/budgets")), refetchInterval: 15_000 });
  return (
    <Panel title="Budgets">
      {budgets.error !== null && <Fault error={budgets.error} onRetry={budgets.refetch} />}
      {budgets.isPending ? <Loading what="budgets" /> : budgets.data?.items.length === 0 ? <Empty title="No budget is in use">The rules&apos; configuration sets them, and a virtual key may have its own; each stands here once something was charged to it.</Empty>
        : <ul>{budgets.data?.items.map((each) => <Line key={each.account} budget={each} />)}</ul>}
    </Panel>
  );
}

/** What is spent against the time that is gone, and where it leads by the window's end. */
function Line({ budget }: { budget: Budget }) {
  const now = useNow();
  const amount = (value: string | undefined): string => (budget.metric === "usd" ? usd(value ?? 0) : `${short(Number(value ?? 0))} ${budget.metric}`);
  const limit = Number(budget.limit);
  const [spent, reserved, forecast] = [Number(budget.spent), Number(budget.reserved), budget.forecast == null ? null : Number(budget.forecast)];
  const begins = budget.begins_at == null ? null : Date.parse(budget.begins_at);
  const ends = budget.ends_at == null ? null : Date.parse(budget.ends_at);
  const gone = begins === null || ends === null ? null : Math.min(1, Math.max(0, (now - begins) / (ends - begins)));
  const [tone, word]: [Tone, string] = budget.state === "unreadable" ? ["fail", "cannot be read"] : budget.state !== "open" ? ["fail", "used up"] : forecast !== null && forecast > limit ? ["wait", "will not last"] : ["done", "on course"];
  const window = typeof budget.window === "string" ? budget.window : `${budget.window["sliding_s"] ?? 0} s`;
  const scale = Math.max(limit, forecast ?? 0, spent + reserved, Number.MIN_VALUE);
  const at = (value: number): number => (value / scale) * 100;
  return (
    <li className="space-y-2 border-b border-line px-4 py-3 last:border-b-0">
      <div className="flex items-center justify-between gap-2"><strong className="truncate">{budget.id}</strong><Badge tone={tone}>{word}</Badge></div>
      <p className="truncate text-sm text-ink-2">{Object.entries(budget.key).map(([name, value]) => `${name} ${value}`).join(", ")}</p>
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" className="h-16 w-full rounded bg-raised" role="img"
        aria-label={`${budget.id}: ${amount(budget.spent)} of ${amount(budget.limit)} spent${gone === null ? "" : `, ${Math.round(gone * 100)} % of the time gone`}${forecast === null ? "" : `, forecast ${amount(budget.forecast ?? "0")}`}`}>
        <line x1="0" x2="100" y1={40 - at(limit) * 0.36} y2={40 - at(limit) * 0.36} stroke="var(--fail)" strokeWidth="1.5" vectorEffect="non-scaling-stroke" strokeDasharray="4 3" />
        {gone !== null && <>
          <polygon points={`0,40 ${gone * 100},${40 - at(spent) * 0.36} ${gone * 100},40`} fill="var(--accent)" opacity="0.35" />
          <line x1="0" y1="40" x2={gone * 100} y2={40 - at(spent) * 0.36} stroke="var(--accent)" strokeWidth="2" vectorEffect="non-scaling-stroke" />
          {forecast !== null && <line x1={gone * 100} y1={40 - at(spent) * 0.36} x2="100" y2={40 - at(forecast) * 0.36} stroke="var(--wait)" strokeWidth="2" strokeDasharray="3 3" vectorEffect="non-scaling-stroke" />}
        </>}
        {gone === null && <rect x="0" y="24" height="12" width={limit === 0 ? 100 : Math.min(100, (spent / limit) * 100)} fill="var(--accent)" />}
      </svg>
      <p className="text-sm text-ink-2">
        {amount(budget.spent)} of {amount(budget.limit)} this {window}, {budget.mode}{reserved > 0 && <>; {amount(budget.reserved)} held back for calls that run</>}
        {forecast !== null && <>; at this pace {amount(budget.forecast ?? "0")} at its end</>}{budget.ends_at != null && <>, <Time at={budget.ends_at} /></>}
      </p>
    </li>
  );
}
