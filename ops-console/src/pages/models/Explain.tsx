import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { count, duration, tail, usd } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { BreakerState } from "./Providers";

/** One call: each candidate with what spoke for and against it, and each attempt. */
export function Explain({ call }: { call: string | undefined }) {
  const [typed, setTyped] = useState(call ?? "");
  const navigate = useNavigate();
  const recent = useQuery({ queryKey: ["calls", "recent"], queryFn: () => sent(api.GET("/api/v1/calls/recent")), refetchInterval: 30_000 });
  const calls = recent.data?.items ?? [];
  const shown = call ?? calls[0]?.call;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void navigate({ to: "/models", search: { tab: "routing", call: typed.trim() } });
  };
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[24rem_1fr]">
      <Panel title="Newest calls">
        <form onSubmit={submit} className="flex gap-2 border-b border-line p-3">
          <input className="field font-mono" aria-label="A call's id" placeholder="A call's id" required value={typed} onChange={(event) => setTyped(event.target.value)} />
          <button type="submit" className="btn">Explain</button>
        </form>
        {recent.error !== null && <Fault error={recent.error} onRetry={recent.refetch} />}
        {recent.isPending ? <Loading what="calls" /> : calls.length === 0 ? <Empty title="No model call yet">Send a task: its calls stand here when they are settled.</Empty> : (
          // Scrolls by keyboard: its links take the focus.
          <ul className="max-h-[34rem] overflow-y-auto">
            {calls.map((each) => (
              <li key={each.call} className="border-b border-line last:border-b-0">
                <Link to="/models" search={{ tab: "routing", call: each.call }} aria-current={each.call === shown ? "true" : undefined}
                  className={`block px-4 py-2 text-ink no-underline ${each.call === shown ? "bg-accent-soft" : "hover:bg-raised"}`}>
                  <span className="flex items-center justify-between gap-2"><span className="truncate font-medium">{each.target ?? each.requested ?? "no model"}</span><Status state={each.outcome} /></span>
                  <span className="flex justify-between gap-2 text-sm text-ink-2"><span className="truncate">{each.pack}/{each.agent}{each.cached ? ", from the cache" : each.attempts > 1 ? `, ${count(each.attempts)} attempts` : ""}</span><Time at={each.time} /></span>
                </Link>
              </li>
            ))}
          </ul>
        )}
      </Panel>
      {shown === undefined ? null : <Explanation call={shown} />}
    </div>
  );
}

function Explanation({ call }: { call: string }) {
  const answer = useQuery({ queryKey: ["routing", call], queryFn: () => sent(api.GET("/api/v1/calls/{call}/routing", { params: { path: { call } } })) });
  if (answer.isPending) return <Panel title="Why"><Loading what="the call" /></Panel>;
  if (answer.error !== null) return <Fault error={answer.error} onRetry={answer.refetch} />;
  const { routing, attempts, cached, cost, settled } = answer.data;
  return (
    <div className="min-w-0 space-y-4">
      <Panel title={`Call ${tail(call)}`} actions={<Link to="/tasks/$task" params={{ task: call.split("-s")[0] ?? call }}>Its task</Link>}>
        <p className="px-4 py-3">
          {routing == null ? (settled ? "No model was chosen for this call: it was refused before, or nothing could serve it." : "This call is not settled yet.") : <>
            Asked for <strong>{routing.requested}</strong>, ordered {ORDERINGS[routing.ordering]}.
            {routing.sticky != null && <> Kept at {routing.sticky}, which has seen the same beginning.</>}
            {cached != null && <> Answered from the cache: call <span className="font-mono text-sm">{tail(cached.call)}</span> paid for it, which saved {usd(cached.saved.usd)}.</>}
            {cost != null && <> Together <strong>{cost.priced ? usd(cost.usd) : "without a price"}</strong>.</>}
            <span className="mt-1 block text-sm text-ink-3">Routing configuration <span className="font-mono">{routing.config}</span></span>
          </>}
        </p>
      </Panel>
      {routing != null && routing.candidates.length > 0 && <Panel title="Candidates"><Candidates rows={routing.candidates} /></Panel>}
      {attempts.length > 0 && <Panel title="Attempts"><Attempts rows={attempts} /></Panel>}
    </div>
  );
}

const ORDERINGS = { listed: "as they are listed", cost: "by what they cost", latency: "by how soon they answer", quality: "by quality" } as const;

function Candidates({ rows }: { rows: components["schemas"]["ModelCandidate"][] }) {
  const sorted = [...rows].sort((one, other) => (one.rank ?? 1e9) - (other.rank ?? 1e9));
  return (
    <Wide label="Table of candidates">
      <table className="grid-table">
        <thead><tr><th className="num">Place</th><th>Model</th><th>Against it</th><th className="num">At most</th><th className="num">First token</th><th className="num">Quality</th><th className="num">Weight</th><th>Breaker</th><th className="num">In flight</th></tr></thead>
        <tbody>
          {sorted.map((each) => (
            <tr key={each.target} className={each.rank == null ? "text-ink-3" : ""}>
              <td className="num">{each.rank == null ? "–" : each.rank + 1}</td><td className="font-medium whitespace-nowrap">{each.target}</td>
              <td>{each.rejected.map((code) => code.replaceAll("_", " ")).join(", ") || "nothing"}</td>
              <td className="num">{each.usd == null ? "no price" : usd(each.usd)}</td><td className="num">{each.latency_ms == null ? "–" : duration(each.latency_ms)}</td>
              <td className="num">{each.quality ?? "–"}</td><td className="num">{each.weight}</td>
              <td>{each.rank == null ? "–" : <BreakerState state={each.breaker} />}</td>
              <td className="num">{each.in_flight}{each.limit == null ? "" : ` of ${each.limit}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

function Attempts({ rows }: { rows: components["schemas"]["Attempt"][] }) {
  return (
    <Wide label="Table of attempts">
      <table className="grid-table">
        <thead><tr><th className="num">No.</th><th>Model</th><th>Outcome</th><th>Key</th><th className="num">Waited</th><th className="num">Took</th><th className="num">First token</th><th className="num">Tokens in</th><th className="num">Out</th><th className="num">Cost</th><th>Why</th></tr></thead>
        <tbody>
          {rows.map((each) => (
            <tr key={each.number}>
              <td className="num">{each.number}</td><td className="font-medium whitespace-nowrap">{each.target}</td><td><Status state={each.outcome} /></td><td>{each.key}</td>
              <td className="num">{duration(each.waited_ms)}</td><td className="num">{duration(each.duration_ms)}</td><td className="num">{each.first_token_ms == null ? "–" : duration(each.first_token_ms)}</td>
              <td className="num">{count(each.usage.input_tokens)}</td><td className="num">{count(each.usage.output_tokens)}{each.estimated ? " (estimated)" : ""}</td>
              <td className="num">{each.cost == null ? "–" : each.cost.priced ? usd(each.cost.usd) : "no price"}</td><td>{each.fault?.code ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}
