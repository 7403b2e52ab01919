import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, page } from "../api/client";
import type { Bundle, EventRow } from "../api/rows";
import { Empty, Fault, Loading } from "../parts/Fault";
import { count, tail } from "../parts/format";
import { Json } from "../parts/Json";
import { Page, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";

const KINDS = ["admission", "model", "tool", "approval", "edit", "checkpoint"] as const;
type Kind = (typeof KINDS)[number];
interface Decision { verdict?: string; reasons?: string[]; rules?: string[]; bundle?: string; question?: unknown; obligations?: unknown }

/** Which rules decide, how often each did lately, and every decision with the question that it answers. */
export function Policy() {
  const [kind, setKind] = useState<Kind | "">("");
  const [rule, setRule] = useState<string | null>(null);
  const bundles = useQuery({ queryKey: ["bundles"], queryFn: () => page<Bundle>(api.GET("/api/v1/policy/bundles")) });
  const answer = useQuery({
    queryKey: ["decisions", kind], placeholderData: keepPreviousData,
    queryFn: () => page<EventRow>(api.GET("/api/v1/policy/decisions", { params: { query: { last: 200, ...(kind === "" ? {} : { kind }) } } })),
  });
  const rows = answer.data?.items ?? [];
  const hits = new Map<string, number>();
  for (const row of rows) for (const each of (row.data as Decision).rules ?? []) hits.set(each, (hits.get(each) ?? 0) + 1);
  const shown = rule === null ? rows : rows.filter((row) => (row.data as Decision).rules?.includes(rule));
  return (
    <Page title="Policy" lead="Every call is decided before it is made."
      actions={<label className="flex items-center gap-2 text-ink-2">Kind<select className="field w-auto" value={kind} onChange={(event) => setKind(event.target.value as Kind | "")}><option value="">every</option>{KINDS.map((each) => <option key={each}>{each}</option>)}</select></label>}>
      {answer.error !== null && <Fault error={answer.error} />}
      <div className="grid items-start gap-4 xl:grid-cols-[1fr_24rem]">
        <Panel title={rule === null ? "Newest decisions" : `Decided by ${rule}`} actions={rule === null ? undefined : <button type="button" className="btn btn-quiet" onClick={() => setRule(null)}>All rules</button>}>
          {answer.isPending ? <Loading what="decisions" /> : shown.length === 0 ? <Empty title="No decision yet" /> : (
            <ul>
              {shown.map((row) => {
                const said = row.data as Decision;
                return (
                  <li key={row.seq} className="border-b border-line px-4 py-2 last:border-b-0">
                    <details>
                      <summary className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
                        <span className="w-20"><Status state={said.verdict ?? "allow"} /></span>
                        <span className="w-36 font-mono text-sm">{row.type}</span>
                        <span className="min-w-0 flex-1 truncate">{said.reasons?.join(", ")}</span>
                        <span className="text-ink-3"><Time at={row.time} /></span>
                      </summary>
                      <div className="mt-2 grid gap-2 lg:grid-cols-2">
                        <div><h3 className="mb-1">Question</h3><Json value={said.question} label="Question" /></div>
                        <div><h3 className="mb-1">Answer</h3><Json value={{ verdict: said.verdict, rules: said.rules, reasons: said.reasons, obligations: said.obligations, bundle: said.bundle }} label="Answer" /></div>
                      </div>
                    </details>
                  </li>
                );
              })}
            </ul>
          )}
        </Panel>
        <div className="space-y-4">
          <Panel title={`Rules of the last ${count(rows.length)} decisions`}>
            <ul>
              {[...hits].sort((one, other) => other[1] - one[1]).map(([name, times]) => (
                <li key={name} className="border-b border-line last:border-b-0">
                  <button type="button" aria-pressed={rule === name} className={`flex w-full justify-between gap-3 px-4 py-2 text-left ${rule === name ? "bg-accent-soft" : "hover:bg-raised"}`} onClick={() => setRule(rule === name ? null : name)}>
                    <span className="truncate font-mono text-sm">{name}</span><span>{count(times)}</span>
                  </button>
                </li>
              ))}
            </ul>
          </Panel>
          <Panel title="Bundles">
            {bundles.error !== null && <Fault error={bundles.error} />}
            {bundles.data?.items.length === 0 && <p className="p-4 text-ink-2">None is published: the rules that AgentOS ships decide.</p>}
            <ul>{bundles.data?.items.map((each) => <li key={each.version} className="flex gap-3 border-b border-line px-4 py-2 last:border-b-0"><strong>v{each.version}</strong><span className="font-mono text-sm" title={each.revision}>{tail(each.revision)}</span><span className="ml-auto text-ink-3">{each.by.id}, <Time at={each.published_at} /></span></li>)}</ul>
          </Panel>
        </div>
      </div>
    </Page>
  );
}
