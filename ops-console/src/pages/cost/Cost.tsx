import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, download, item, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { Costs } from "../../api/rows";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { count, short, usd } from "../../parts/format";
import { Page, Panel } from "../../parts/Page";
import { Bar, Sum } from "../../parts/Sum";
import { Wide } from "../../parts/Wide";
import { toast } from "../../shell/Toasts";
import { Budgets } from "./Budgets";
import { Days } from "./Days";

type Dimension = Exclude<keyof components["schemas"]["CostGroup"], keyof components["schemas"]["CostFigures"]>;
const BY: Record<Dimension, string> = { model: "model", provider: "provider", pack: "pack", agent: "agent", task_type: "task type", tenant: "tenant", user: "user", api_key: "API key", day: "day" };
const SPANS = { "24 hours": 86_400_000, "7 days": 604_800_000, "30 days": 2_592_000_000, "All time": null } as const;
type SpanName = keyof typeof SPANS;

const since = (span: SpanName): { from?: string } => {
  const ms = SPANS[span];
  return ms === null ? {} : { from: new Date(Date.now() - ms).toISOString() };
};

/** What model calls cost, by whatever one asks; the budgets, and what was saved. */
export function Cost() {
  const [by, setBy] = useState<Dimension>("model");
  const [span, setSpan] = useState<SpanName>("30 days");
  const [measure, setMeasure] = useState<"usd" | "tokens">("usd");
  const answer = useQuery({
    queryKey: ["costs", by, span], placeholderData: keepPreviousData,
    queryFn: () => item<Costs>(api.GET("/api/v1/costs", { params: { query: { by, ...since(span) } } })),
  });
  const routed = useQuery({ queryKey: ["costs", "routing", span], queryFn: () => sent(api.GET("/api/v1/costs/routing", { params: { query: since(span) } })), placeholderData: keepPreviousData });
  const total = answer.data?.total;
  // Simulated and free models cost nothing: then tokens say who uses how much.
  const byTokens = measure === "tokens" || Number(total?.cost_usd ?? 0) === 0;
  const size = (each: components["schemas"]["CostFigures"]): number => (byTokens ? each.input_tokens + each.output_tokens : Number(each.cost_usd));
  const groups = [...(answer.data?.groups ?? [])].sort((one, other) => (by === "day" ? (other.day ?? "").localeCompare(one.day ?? "") : size(other) - size(one)));
  const all = groups.reduce((sum, each) => sum + size(each), 0);
  const most = Math.max(...groups.map(size), Number.MIN_VALUE);
  const save = (): void => {
    const query = new URLSearchParams({ by, format: "csv", ...since(span) });
    download(`/api/v1/costs?${query.toString()}`).then((blob) => {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "agentos-costs.csv" });
      link.click();
      URL.revokeObjectURL(link.href);
    }, (error: unknown) => toast(told(error), "fail"));
  };
  return (
    <Page title="Cost" lead="What model calls cost: every attempt counts, also those that failed."
      actions={<>
        <label className="flex items-center gap-2 text-ink-2">In<select className="field w-auto" value={span} onChange={(event) => setSpan(event.target.value as SpanName)}>{Object.keys(SPANS).map((each) => <option key={each}>{each}</option>)}</select></label>
        <button type="button" className="btn" onClick={save}>Save as CSV</button>
      </>}>
      {answer.error !== null && <div className="mb-4"><Fault error={answer.error} onRetry={answer.refetch} /></div>}
      <div className="mb-4 grid grid-cols-2 gap-3 lg:grid-cols-5">
        <Sum name="Spent" value={total === undefined ? "…" : usd(total.cost_usd)} note={(total?.unpriced_attempts ?? 0) > 0 ? `${count(total?.unpriced_attempts ?? 0)} attempts have no price` : "every attempt has a price"} />
        <Sum name="Saved by the cache" value={total === undefined ? "…" : usd(total.saved_usd)} note={`${count(total?.cached_calls ?? 0)} calls were not paid again`} />
        <Sum name="Saved by routing" value={routed.data === undefined ? (routed.error === null ? "…" : "–") : usd(routed.data.saved_usd)}
          note={routed.data === undefined ? undefined : routed.data.compared === 0 ? `no choice between prices in ${count(routed.data.calls)} calls` : `estimated: ${count(routed.data.compared)} of ${count(routed.data.calls)} calls had a choice of prices`} />
        <Sum name="Calls" value={total === undefined ? "…" : short(total.calls)} note={`${short(total?.attempts ?? 0)} attempts${(total?.simulated_attempts ?? 0) > 0 ? `, ${short(total?.simulated_attempts ?? 0)} simulated` : ""}`} />
        <Sum name="Tokens" value={total === undefined ? "…" : short(total.input_tokens + total.output_tokens)} note={`${short(total?.input_tokens ?? 0)} in, ${short(total?.output_tokens ?? 0)} out, ${short(total?.cache_read_tokens ?? 0)} from prompt caches`} />
      </div>
      <div className="grid items-start gap-4 xl:grid-cols-[1fr_26rem]">
        <div className="min-w-0 space-y-4">
          <Days since={since(span).from} key={span} />
          <Panel title={`By ${BY[by]}`} actions={<span className="flex gap-2">
            <select className="field w-auto" aria-label="Group by" value={by} onChange={(event) => setBy(event.target.value as Dimension)}>{Object.entries(BY).map(([each, name]) => <option key={each} value={each}>{name}</option>)}</select>
            <select className="field w-auto" aria-label="Share of" value={byTokens ? "tokens" : "usd"} onChange={(event) => setMeasure(event.target.value as "usd" | "tokens")}><option value="usd">cost</option><option value="tokens">tokens</option></select>
          </span>}>
            {answer.isPending ? <Loading what="costs" /> : groups.length === 0 ? <Empty title="Nothing was spent in this time">Take a longer time, or send a task.</Empty> : (
              <Wide label={`Costs by ${BY[by]}`}>
                <table className="grid-table">
                  <thead><tr><th className="capitalize">{BY[by]}</th><th className="w-1/4">Share of {byTokens ? "tokens" : "cost"}</th><th className="num">Cost</th><th className="num">Saved</th><th className="num">Calls</th><th className="num">Tokens in</th><th className="num">Tokens out</th></tr></thead>
                  <tbody>
                    {groups.map((each, at) => (
                      <tr key={at}>
                        <td className="font-medium">{each[by] ?? <span className="text-ink-3">none</span>}</td>
                        <td><span className="flex items-center gap-2"><Bar share={size(each) / most} /><span className="w-12 shrink-0 text-right text-sm text-ink-2">{all === 0 ? "0" : Math.round((size(each) / all) * 100)} %</span></span></td>
                        <td className="num">{usd(each.cost_usd)}</td><td className="num">{usd(each.saved_usd)}</td><td className="num">{count(each.calls)}</td><td className="num">{short(each.input_tokens)}</td><td className="num">{short(each.output_tokens)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </Wide>
            )}
            {answer.data?.more === true && <p className="border-t border-line px-4 py-2 text-sm text-wait">There are more groups than one answer holds: take a shorter time.</p>}
          </Panel>
        </div>
        <Budgets />
      </div>
    </Page>
  );
}
