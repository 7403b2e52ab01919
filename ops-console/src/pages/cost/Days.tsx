import { useQuery } from "@tanstack/react-query";

import { api, item } from "../../api/client";
import type { Costs } from "../../api/rows";
import { count, short, usd } from "../../parts/format";
import { Panel } from "../../parts/Page";

const DAY_MS = 86_400_000;

/** One bar a day (UTC): money where something cost money, tokens where nothing did. */
export function Days({ since }: { since: string | undefined }) {
  const answer = useQuery({
    queryKey: ["costs", "day", since?.slice(0, 13) ?? "all"],
    queryFn: () => item<Costs>(api.GET("/api/v1/costs", { params: { query: { by: "day", ...(since === undefined ? {} : { from: since }) } } })),
  });
  const groups = answer.data?.groups ?? [];
  const known = new Map(groups.map((each) => [each.day ?? "", each]));
  const today = Date.parse(`${new Date().toISOString().slice(0, 10)}T00:00:00Z`);
  const first = Math.max(today - 89 * DAY_MS, since === undefined ? Math.min(...groups.map((each) => Date.parse(`${each.day ?? ""}T00:00:00Z`)).filter((each) => !Number.isNaN(each)), today) : Date.parse(`${since.slice(0, 10)}T00:00:00Z`));
  const days = Array.from({ length: Math.round((today - first) / DAY_MS) + 1 }, (_, at) => new Date(first + at * DAY_MS).toISOString().slice(0, 10));
  const money = Number(answer.data?.total.cost_usd ?? 0) > 0;
  const size = (day: string): number => {
    const each = known.get(day);
    return money ? Number(each?.cost_usd ?? 0) : (each?.input_tokens ?? 0) + (each?.output_tokens ?? 0);
  };
  const most = Math.max(...days.map(size), Number.MIN_VALUE);
  const spoken = (day: string): string => `${day}: ${money ? usd(known.get(day)?.cost_usd ?? 0) : `${short(size(day))} tokens`}, ${count(known.get(day)?.calls ?? 0)} calls`;
  const busiest = days.reduce((best, day) => (size(day) > size(best) ? day : best), days[0] ?? "");
  return (
    <Panel title={money ? "Money a day" : "Tokens a day"} actions={<span className="text-sm text-ink-3">{size(busiest) === 0 ? "nothing yet" : `most on ${busiest}: ${money ? usd(size(busiest)) : short(size(busiest))}`}</span>}>
      <div className="p-4">
        <svg viewBox={`0 0 ${days.length * 10} 60`} preserveAspectRatio="none" className="h-28 w-full" role="img" aria-label={`Each day of ${count(days.length)}; ${spoken(busiest)} at most`}>
          {days.map((day, at) => (
            <rect key={day} x={at * 10 + 1} width="8" y={60 - Math.max((size(day) / most) * 58, size(day) > 0 ? 2 : 0.6)} height={Math.max((size(day) / most) * 58, size(day) > 0 ? 2 : 0.6)} fill={size(day) > 0 ? "var(--accent)" : "var(--line)"}>
              <title>{spoken(day)}</title>
            </rect>
          ))}
        </svg>
        <p className="mt-1 flex justify-between text-sm text-ink-3"><span>{days[0]}</span><span>{days.at(-1)}, UTC</span></p>
      </div>
    </Panel>
  );
}
