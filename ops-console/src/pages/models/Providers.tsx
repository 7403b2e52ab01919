import { useQuery } from "@tanstack/react-query";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { count, duration, short, usd } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Badge, type Tone } from "../../parts/Status";
import { Bar } from "../../parts/Sum";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";

type Breaker = "closed" | "open" | "half_open";
type Target = components["schemas"]["Target"];
type Price = components["schemas"]["UnitPrice"];

const BREAKERS: Record<Breaker, [Tone, string]> = { closed: ["done", "serves"], half_open: ["wait", "is tried"], open: ["fail", "is left alone"] };
export function BreakerState({ state }: { state: Breaker }) {
  const [tone, text] = BREAKERS[state];
  return <Badge tone={tone}>{text}</Badge>;
}

/** Health now, and behaviour over the newest calls. */
export function Providers() {
  const health = useQuery({ queryKey: ["models"], queryFn: () => sent(api.GET("/api/v1/models")), refetchInterval: 5_000 });
  const served = useQuery({ queryKey: ["models", "served"], queryFn: () => sent(api.GET("/api/v1/models/served")) });
  const targets = useQuery({ queryKey: ["models", "targets"], queryFn: () => sent(api.GET("/api/v1/models/targets")), refetchInterval: 30_000 });
  const fault = health.error ?? served.error ?? targets.error;
  if (health.isPending || served.isPending || targets.isPending) return <Loading what="models" />;
  const routers = Object.entries(health.data?.routers ?? {});
  const catalogue = served.data?.catalogue;
  const lately = new Map((targets.data?.items ?? []).map((each) => [each.target, each]));
  const names = [...new Set([...Object.values(catalogue?.aliases ?? {}).flat(), ...routers.flatMap(([, each]) => Object.keys(each.targets)), ...lately.keys()])].sort();
  return (
    <div className="space-y-4">
      {fault !== null && <Fault error={fault} onRetry={() => Promise.all([health.refetch(), served.refetch(), targets.refetch()])} />}
      {routers.length === 0 && fault === null && <div className="panel"><Empty title="No router is alive">No model call is served until one runs: <code>agentos up</code> starts one, or start the service <code>router</code>.</Empty></div>}
      <Panel title={`Models, over the last ${count(targets.data?.calls ?? 0)} calls`}>
        {names.length === 0 ? <Empty title="No model is configured">Set a provider's key, such as OPENAI_API_KEY, and start the router anew.</Empty> : (
          <Wide label="Models">
            <table className="grid-table">
              <thead><tr><th>Model</th><th>Now</th><th className="num">In flight</th><th className="num">First token</th><th className="num">Attempts</th><th className="num">Failed</th><th className="num">Half within</th><th className="num">95 % within</th><th>How long</th><th className="num">Price of a million in / out</th><th className="num">Spent</th></tr></thead>
              <tbody>{names.map((name) => <Row key={name} name={name} lately={lately.get(name)} bounds={targets.data?.bounds_ms ?? []} now={routers.map(([, each]) => each.targets[name]).filter((each) => each !== undefined)} price={priceOf(catalogue?.prices ?? {}, name)} />)}</tbody>
            </table>
          </Wide>
        )}
      </Panel>
      <div className="grid items-start gap-4 xl:grid-cols-2">
        {routers.map(([router, said]) => (
          <Panel key={router} title={`Keys and limits at ${router}`} actions={<span className="text-sm text-ink-3">as of <Time at={said.at} /></span>}>
            <Wide label={`Keys at ${router}`}>
              <table className="grid-table">
                <thead><tr><th>Key</th><th>State</th><th className="w-1/4">In flight</th><th className="num">Requests / min</th><th className="num">Tokens / min</th><th className="num">Wait</th></tr></thead>
                <tbody>
                  {Object.entries(said.providers).flatMap(([provider, each]) => each.keys.map((key) => (
                    <tr key={key.label}>
                      <td className="font-medium">{key.label}</td>
                      <td>{key.cool_until == null ? <BreakerState state={key.refused} /> : <Badge tone="wait">rests, <Time at={key.cool_until} /></Badge>}</td>
                      <td><span className="text-sm">{count(key.in_flight)} of {count(key.limit)}</span><Bar share={key.in_flight / key.limit} tone={key.in_flight >= key.limit ? "fail" : "accent"} /></td>
                      <td className="num">{key.requests_per_minute == null ? "not said" : count(key.requests_per_minute)}</td>
                      <td className="num">{key.tokens_per_minute == null ? "not said" : short(key.tokens_per_minute)}</td>
                      <td className="num" title={`calls that wait for a key of ${provider}`}>{count(each.waiting)}</td>
                    </tr>
                  )))}
                </tbody>
              </table>
            </Wide>
          </Panel>
        ))}
        <Panel title="Names that may be asked for">
          {Object.keys(catalogue?.aliases ?? {}).length === 0 ? <Empty title="No alias is configured" /> : (
            <ul>
              {Object.entries(catalogue?.aliases ?? {}).map(([alias, chain]) => (
                <li key={alias} className="flex flex-wrap items-baseline gap-x-3 border-b border-line px-4 py-2.5 last:border-b-0">
                  <strong className="min-w-28">{alias}</strong>
                  <span className="font-mono text-sm text-ink-2">{chain.join(" → ")}</span>
                </li>
              ))}
            </ul>
          )}
        </Panel>
      </div>
    </div>
  );
}

function priceOf(prices: Record<string, Price>, target: string): Price | undefined {
  return prices[target] ?? prices[`${target.split("/")[0] ?? ""}/*`];
}

function Row({ name, lately, bounds, now, price }: { name: string; lately: Target | undefined; bounds: readonly number[]; now: components["schemas"]["TargetHealth"][]; price: Price | undefined }) {
  const worst: Breaker | undefined = (["open", "half_open", "closed"] as const).find((state) => now.some((each) => each.breaker === state));
  const firsts = now.map((each) => each.latency_ms).filter((each) => each != null);
  const faults = Object.entries(lately?.faults ?? {}).map(([code, times]) => `${code}: ${times}`).join(", ");
  return (
    <tr>
      <td className="font-medium whitespace-nowrap">{name}</td>
      <td>{worst === undefined ? <Badge tone="idle">not used yet</Badge> : <BreakerState state={worst} />}</td>
      <td className="num">{count(now.reduce((sum, each) => sum + each.in_flight, 0))}</td>
      <td className="num">{firsts.length === 0 ? "–" : duration(Math.max(...firsts))}</td>
      <td className="num">{count(lately?.attempts ?? 0)}</td>
      <td className="num" title={faults}>{count(lately?.failed ?? 0)}</td>
      <td className="num">{lately === undefined ? "–" : duration(lately.p50_ms)}</td>
      <td className="num">{lately === undefined ? "–" : duration(lately.p95_ms)}</td>
      <td>{lately !== undefined && <Histogram bounds={bounds} counts={lately.durations} />}</td>
      <td className="num whitespace-nowrap">{price === undefined ? "not known" : Number(price.input_usd) + Number(price.output_usd) === 0 ? "free" : `${usd(Number(price.input_usd) * 1e6)} / ${usd(Number(price.output_usd) * 1e6)}`}</td>
      <td className="num">{usd(lately?.cost_usd ?? 0)}</td>
    </tr>
  );
}

/** Attempts by how long they took, in classes that double or so. */
function Histogram({ bounds, counts }: { bounds: readonly number[]; counts: readonly number[] }) {
  const most = Math.max(...counts, 1);
  const words = counts.map((each, at) => (each === 0 ? null : `${count(each)} ${at < bounds.length ? `up to ${duration(bounds[at] ?? 0)}` : "longer"}`)).filter((each) => each !== null).join(", ");
  return (
    <svg viewBox={`0 0 ${counts.length * 8} 24`} className="h-6 w-28" role="img" aria-label={words}>
      <title>{words}</title>
      {counts.map((each, at) => <rect key={at} x={at * 8} width="6.5" y={24 - Math.max((each / most) * 23, 1)} height={Math.max((each / most) * 23, 1)} fill={each === 0 ? "var(--line)" : "var(--run)"} />)}
    </svg>
  );
}
