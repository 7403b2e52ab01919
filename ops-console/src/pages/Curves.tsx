import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";

import { api, sent } from "../api/client";
import type { components } from "../api/schema";
import { Chart } from "../parts/Chart";
import { Fault, Loading } from "../parts/Fault";
import { count, duration, usd } from "../parts/format";
import { Panel } from "../parts/Page";

type Point = components["schemas"]["Point"];
type Span = components["schemas"]["Overview"]["window"];
interface Series { name: string; colour: string; dash?: number[] }

const WINDOWS: [Span, string][] = [["15m", "15 minutes"], ["1h", "1 hour"], ["6h", "6 hours"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"]];
const THROUGHPUT: Series[] = [{ name: "submitted", colour: "--run", dash: [6, 3] }, { name: "completed", colour: "--done" }, { name: "failed", colour: "--fail", dash: [2, 3] }];
const LATENCY: Series[] = [{ name: "p50", colour: "--done" }, { name: "p95", colour: "--wait", dash: [6, 3] }, { name: "p99", colour: "--fail", dash: [2, 3] }];
const SPEND: Series[] = [{ name: "US dollars", colour: "--accent" }];
const DENIALS: Series[] = [{ name: "denied, percent of decisions", colour: "--fail" }];

/** Throughput, latency, spend and denials over a window of time, as the ledger counted them. */
export function Curves() {
  const [span, setSpan] = useState<Span>("1h");
  const answer = useQuery({
    queryKey: ["overview", span], queryFn: () => sent(api.GET("/api/v1/system/overview", { params: { query: { window: span } } })),
    refetchInterval: 10_000, placeholderData: keepPreviousData,
  });
  const total = answer.data?.total;
  return (
    <section aria-label="Over time" className="mt-6">
      <div className="mb-2 flex items-center justify-between gap-3">
        <h2>Over time</h2>
        <label className="flex items-center gap-2 text-ink-2">The last
          <select className="field w-auto" value={span} onChange={(event) => setSpan(event.target.value as Span)}>
            {WINDOWS.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
          </select>
        </label>
      </div>
      {answer.error !== null && <Fault error={answer.error} />}
      {total === undefined ? <Loading what="the curves" /> : (
        <div className="grid items-start gap-4 xl:grid-cols-2">
          <Curve title="Tasks" said={`${count(total.completed)} completed, ${count(total.failed)} failed`} points={answer.data?.points ?? []} series={THROUGHPUT} pick={tasks} />
          <Curve title="Model calls, milliseconds" said={total.latency.p95_ms === null ? "none answered" : `95 of 100 within ${duration(total.latency.p95_ms)}`} points={answer.data?.points ?? []} series={LATENCY} pick={latency} />
          <Curve title="Spend" said={usd(total.cost_usd)} points={answer.data?.points ?? []} series={SPEND} pick={spend} least={0.01} />
          <Curve title="Denials" said={`${(total.denial_rate * 100).toFixed(1)} % of ${count(total.decisions)}, ${count(total.held)} held`} points={answer.data?.points ?? []} series={DENIALS} pick={denials} />
        </div>
      )}
    </section>
  );
}

const tasks = (point: Point): number[] => [point.submitted, point.completed, point.failed];
const latency = (point: Point): (number | null)[] => [point.latency.p50_ms, point.latency.p95_ms, point.latency.p99_ms];
const spend = (point: Point): number[] => [Number(point.cost_usd)];
const denials = (point: Point): number[] => [point.denial_rate * 100];

function Curve({ title, said, points, series, pick, least = 4 }: { title: string; said: string; points: Point[]; series: Series[]; pick: (point: Point) => (number | null)[]; least?: number }) {
  const read = useCallback(() => {
    const picked = points.map(pick);
    return [points.map((point) => Date.parse(point.at) / 1_000), ...series.map((_, at) => picked.map((values) => values[at] ?? null))] as number[][];
  }, [points, series, pick]);
  return (
    <Panel title={title} actions={<span className="text-sm text-ink-3">{said}</span>}>
      <Chart label={`${title}: ${said}`} series={series} read={read} everyMs={60_000} height={150} least={least} />
    </Panel>
  );
}
