import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { count } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { Wide } from "../../parts/Wide";
import { type Kind, KINDS, useActive } from "./queries";

type Candidate = { bundle: Record<string, unknown> } | { config: Record<string, unknown> };

/** Other rules are asked what was really asked; nothing is changed by it. */
export function Backtest() {
  const active = useActive();
  const [typed, setTyped] = useState<string | null>(null);
  const [file, setFile] = useState<{ name: string; text: string } | null>(null);
  const [kind, setKind] = useState<Kind | "">("");
  const [last, setLast] = useState(500);
  const [broken, setBroken] = useState<string | null>(null);
  const run = useMutation({
    mutationFn: (candidate: Candidate) => sent(api.POST("/api/v1/policy/backtest", { body: { ...candidate, last, ...(kind === "" ? {} : { kind }) } })),
  });
  if (active.isPending) return <Loading what="the rules" />;
  if (active.error !== null) return <Fault error={active.error} onRetry={active.refetch} />;
  const text = typed ?? JSON.stringify(active.data.config, null, 2);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    try {
      const read = JSON.parse(file?.text ?? text) as Record<string, unknown>;
      setBroken(null);
      run.mutate(file === null ? { config: read } : { bundle: read });
    } catch (fault) {
      setBroken(`This is no JSON: ${fault instanceof Error ? fault.message : ""}`);
    }
  };
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[30rem_1fr]">
      <Panel title="The candidate">
        <form onSubmit={submit} className="space-y-4 p-4">
          {file === null ? (
            <div>
              <label className="label" htmlFor="backtest-config">Configuration, over the rules that decide now</label>
              <textarea id="backtest-config" className="field code min-h-80" spellCheck={false} required value={text} onChange={(event) => setTyped(event.target.value)} />
            </div>
          ) : <p className="flex items-center justify-between gap-3 rounded-md border border-line bg-raised px-3 py-2"><span className="truncate font-mono text-sm">{file.name}</span><button type="button" className="btn" onClick={() => setFile(null)}>Take away</button></p>}
          <div>
            <label className="label" htmlFor="backtest-file">Or a signed bundle</label>
            <input id="backtest-file" type="file" accept=".json,application/json" className="block w-full text-sm file:mr-3 file:cursor-pointer file:rounded-md file:border file:border-line file:bg-surface file:px-3 file:py-1.5 file:font-medium file:text-ink"
              onChange={(event) => {
                const chosen = event.target.files?.[0];
                if (chosen !== undefined) void chosen.text().then((read) => setFile({ name: chosen.name, text: read }));
              }} />
          </div>
          <div className="flex flex-wrap items-end gap-3">
            <div><label className="label" htmlFor="backtest-kind">Decisions on</label><select id="backtest-kind" className="field w-auto" value={kind} onChange={(event) => setKind(event.target.value as Kind | "")}><option value="">everything</option>{KINDS.map((each) => <option key={each}>{each}</option>)}</select></div>
            <div><label className="label" htmlFor="backtest-last">Newest first</label><input id="backtest-last" type="number" min={1} max={2000} className="field w-28" value={last} onChange={(event) => setLast(event.target.valueAsNumber || 1)} /></div>
            <button type="submit" className="btn btn-primary ml-auto" disabled={run.isPending}>{run.isPending ? "Asking…" : "Ask them"}</button>
          </div>
          {broken !== null && <p role="alert" className="text-fail">{broken}</p>}
          {run.error !== null && <Fault error={run.error} />}
        </form>
      </Panel>
      {run.data === undefined
        ? <Panel title="What would have been decided otherwise"><Empty title="Nobody was asked yet">Change the candidate and ask: it hears the questions that were really asked, and you see whose answer would have been another one.</Empty></Panel>
        : <Outcome said={run.data} />}
    </div>
  );
}

function Outcome({ said }: { said: components["schemas"]["Backtested"] }) {
  return (
    <div className="min-w-0 space-y-4">
      <Panel title="What would have been decided otherwise">
        <p className="px-4 py-3" role="status">
          <strong>{count(said.changed)}</strong> of {count(said.asked)} decisions would have been {said.changed === 1 ? "another one" : "others"}.
          {said.unanswerable > 0 && <> {count(said.unanswerable)} are of another version and could not be asked.</>}
        </p>
        {said.changes.length > 0 && (
          <Wide label="Changes">
            <table className="grid-table">
              <thead><tr><th>For whom</th><th>Kind</th><th>Was</th><th>Becomes</th><th>Because</th><th>Decision</th></tr></thead>
              <tbody>
                {said.changes.map((each, at) => (
                  <tr key={at}>
                    <td className="min-w-56">{each.whom.replace(/[0-9a-f]{8}-[0-9a-f-]{27} · /, "")}</td><td>{each.kind}</td><td><Status state={each.was} /></td><td><Status state={each.becomes} /></td>
                    <td className="font-mono text-sm">{each.reasons.join(", ") || each.rules.join(", ")}</td>
                    <td><Link to="/tasks/$task" params={{ task: each.id.split("-s")[0] ?? each.id }}>Its task</Link></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </Panel>
      {said.differences.length > 0 && (
        <Panel title="How the candidate differs">
          <ul>
            {said.differences.map((each) => (
              <li key={each.what} className="space-y-1 border-b border-line px-4 py-2.5 last:border-b-0">
                <strong className="font-mono text-sm">{each.what}</strong>
                <div className="grid gap-2 lg:grid-cols-2">
                  <pre className="code rounded bg-[var(--fail-soft)] px-2 py-1 text-fail" aria-label="before">{written(each.before)}</pre>
                  <pre className="code rounded bg-[var(--done-soft)] px-2 py-1 text-done" aria-label="after">{written(each.after)}</pre>
                </div>
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </div>
  );
}

const written = (value: unknown): string => (value === null || value === "" || value === undefined ? "not there" : typeof value === "string" ? value : JSON.stringify(value, null, 2));
