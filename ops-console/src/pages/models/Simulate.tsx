import { useMutation, useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault } from "../../parts/Fault";
import { count, duration, usd } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Wide } from "../../parts/Wide";

type Sums = components["schemas"]["Sums"];

/** Recorded calls, with the failures and latencies that they met, through a candidate. Nothing is changed by it. */
export function Simulate() {
  const served = useQuery({ queryKey: ["models", "served"], queryFn: () => sent(api.GET("/api/v1/models/served")) });
  const [typed, setTyped] = useState<string | null>(null);
  const [last, setLast] = useState(500);
  const run = useMutation({ mutationFn: (configuration: string) => sent(api.POST("/api/v1/models/simulate", { body: { configuration, last, seed: 0 } })) });
  const aliases = served.data?.catalogue?.aliases ?? {};
  // Begins with what is served now, for whoever changes one thing.
  const start = `aliases:\n${Object.entries(aliases).map(([alias, chain]) => `  ${alias}: [${chain.join(", ")}]\n`).join("") || "  default: [openai/gpt-5-mini]\n"}`;
  const text = typed ?? start;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    run.mutate(text);
  };
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[28rem_1fr]">
      <Panel title="The candidate">
        <form onSubmit={submit} className="space-y-4 p-4">
          <div>
            <label className="label" htmlFor="simulate-config">Routing configuration (YAML)</label>
            <textarea id="simulate-config" className="field code min-h-64" spellCheck={false} required value={text} onChange={(event) => setTyped(event.target.value)} />
          </div>
          <div className="flex flex-wrap items-end justify-between gap-3">
            <div><label className="label" htmlFor="simulate-last">Calls, newest first</label><input id="simulate-last" type="number" min={1} max={1000} className="field w-32" value={last} onChange={(event) => setLast(event.target.valueAsNumber || 1)} /></div>
            <button type="submit" className="btn btn-primary" disabled={run.isPending}>{run.isPending ? "Simulating…" : "Simulate"}</button>
          </div>
          {run.error !== null && <Fault error={run.error} />}
        </form>
      </Panel>
      <Panel title="As it was, and as it would have been">
        {run.data === undefined ? <Empty title="Nothing simulated yet">Change the candidate and simulate it: recorded calls go through it with the failures and latencies that they met. Nothing is sent to a provider.</Empty>
          : run.data.rows.length === 0 ? <Empty title="No recorded call was attempted at a provider">Send a task first.</Empty> : <>
            <Wide label="Comparison">
              <table className="grid-table">
                <thead><tr><th>Asked for</th><th>When</th><th className="num">Calls</th><th className="num">Completed</th><th className="num">Attempts</th><th className="num">Fallbacks</th><th className="num">Half within</th><th className="num">95 % within</th><th className="num">Cost</th><th>Answered by</th></tr></thead>
                <tbody>
                  {run.data.rows.map((row) => [
                    <Compared key={`${row.requested ?? ""}-was`} name={row.requested ?? "all"} when="was" sums={row.was} />,
                    <Compared key={`${row.requested ?? ""}-becomes`} name={row.requested ?? "all"} when="becomes" sums={row.becomes} />,
                  ])}
                </tbody>
              </table>
            </Wide>
            <div className="space-y-1 border-t border-line px-4 py-3 text-sm text-ink-2">
              {Object.entries(run.data.guessed).map(([target, like]) => <p key={target} className="text-wait">{target} was never tried: it is taken to behave like {like}.</p>)}
              {run.data.unreadable > 0 && <p>{count(run.data.unreadable)} events of another version were left out.</p>}
              <p>Assumed: as many tokens as recorded. Limits of keys, queues and prompt caches are not simulated.</p>
            </div>
          </>}
      </Panel>
    </div>
  );
}

function Compared({ name, when, sums }: { name: string; when: "was" | "becomes"; sums: Sums }) {
  const answered = [...Object.entries(sums.by_target), ...Object.entries(sums.unserved).map(([code, times]) => [`nobody (${code})`, times] as const)];
  return (
    <tr className={when === "becomes" ? "bg-raised" : ""}>
      <td className="font-medium">{when === "was" ? name : <span className="sr-only">{name}</span>}</td><td>{when}</td>
      <td className="num">{count(sums.calls)}</td><td className="num">{count(sums.completed)}</td><td className="num">{count(sums.attempts)}</td><td className="num">{count(sums.fallbacks)}</td>
      <td className="num">{duration(sums.p50_s * 1_000)}</td><td className="num">{duration(sums.p95_s * 1_000)}</td>
      <td className="num whitespace-nowrap">{usd(sums.cost_usd)}{sums.unpriced > 0 ? ` + ${count(sums.unpriced)} without a price` : ""}</td>
      <td className="min-w-48">{answered.map(([target, times]) => `${target} ${count(times)}`).join(", ") || "nobody"}</td>
    </tr>
  );
}
