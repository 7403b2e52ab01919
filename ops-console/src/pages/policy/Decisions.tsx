import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { Empty, Fault, Loading } from "../../parts/Fault";
import { count, tail } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Facts, Panel } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { type Decision, type Kind, KINDS, useDecisions } from "./queries";

const VERDICTS = ["allow", "hold", "deny"] as const;

/** Every decision, newest first; one opened shows what was asked, which rules of which version answered, and what they demand. */
export function Decisions({ rule }: { rule: string | undefined }) {
  const [kind, setKind] = useState<Kind | "">("");
  const [verdict, setVerdict] = useState("");
  const [words, setWords] = useState("");
  const answer = useDecisions(kind);
  const rows = answer.data?.pages.flatMap((each) => each.items) ?? [];
  const wanted = words.trim().toLowerCase();
  const shown = rows.filter((row) => (rule === undefined || row.data.rules.includes(rule)) && (verdict === "" || row.data.verdict === verdict)
    && (wanted === "" || `${row.subject} ${subjectOf(row)} ${row.data.reasons.join(" ")} ${row.data.rules.join(" ")}`.toLowerCase().includes(wanted)));
  return (
    <Panel title={rule === undefined ? "Newest decisions" : `Decided by ${rule}`} actions={rule === undefined ? <span className="text-sm text-ink-3">{count(shown.length)} of {count(rows.length)}</span> : <Link to="/policy" search={{ tab: "decisions" }}>All rules</Link>}>
      <div className="flex flex-wrap gap-2 border-b border-line p-3">
        <input className="field max-w-72" type="search" aria-label="Filter these decisions" placeholder="Pack, tool, reason, rule or id" value={words} onChange={(event) => setWords(event.target.value)} />
        <select className="field w-auto" aria-label="Kind" value={kind} onChange={(event) => setKind(event.target.value as Kind | "")}><option value="">every kind</option>{KINDS.map((each) => <option key={each}>{each}</option>)}</select>
        <select className="field w-auto" aria-label="Verdict" value={verdict} onChange={(event) => setVerdict(event.target.value)}><option value="">every verdict</option>{VERDICTS.map((each) => <option key={each}>{each}</option>)}</select>
      </div>
      {answer.error !== null && <Fault error={answer.error} onRetry={answer.refetch} />}
      {answer.isPending ? <Loading what="decisions" /> : shown.length === 0 ? <Empty title={rows.length === 0 ? "No decision yet" : "None of these decisions fits"}>{rows.length === 0 ? "Send a task: every attempt, call and tool of it is decided, and stands here." : "Take a filter away, or show older ones."}</Empty> : (
        <ul>{shown.map((row) => <Line key={row.seq} row={row} />)}</ul>
      )}
      {answer.hasNextPage && <div className="border-t border-line p-3 text-center"><button type="button" className="btn" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>Older decisions</button></div>}
    </Panel>
  );
}

/** Whom and what a decision is about, as far as its question says. */
function subjectOf(row: Decision): string {
  const asked = row.data.question ?? {};
  return [asked["pack"], asked["tool"] ?? asked["model"] ?? asked["task_type"]].filter((each) => typeof each === "string").join(" · ");
}

function Line({ row }: { row: Decision }) {
  const [open, setOpen] = useState(false);
  const said = row.data;
  return (
    <li className="border-b border-line px-4 py-2 last:border-b-0">
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
          <span className="w-20"><Status state={said.verdict} /></span>
          <span className="w-36 font-mono text-sm">{row.type}</span>
          <span className="w-60 truncate xl:w-80">{subjectOf(row) || "–"}</span>
          <span className="min-w-0 flex-1 basis-40 truncate text-ink-2">{said.reasons.join(", ")}</span>
          <span className="text-ink-3"><Time at={row.time} /></span>
        </summary>
        {open && (
          <div className="my-3 grid gap-4 lg:grid-cols-2">
            <div className="space-y-3">
              <Facts rows={[
                ["Rules", said.rules.join(", ") || "none: nobody was asked"], ["Reasons", said.reasons.join(", ") || "–"],
                ["Only watched", said.monitored.join(", ") || "–"], ["Asked of", <code key="p">{said.package}</code>],
                ["Revision", <code key="r" title={said.bundle}>{tail(said.bundle)}</code>],
                ["Belongs to", row.correlation_id == null ? "–" : <Link key="t" to="/tasks/$task" params={{ task: row.correlation_id }}>{tail(row.correlation_id)}</Link>],
              ]} />
              <div><h3 className="mb-1">What it demands</h3><Json value={said.obligations ?? {}} label="What it demands" /></div>
            </div>
            <div><h3 className="mb-1">What was asked</h3><Json value={said.question ?? null} label="What was asked" /></div>
          </div>
        )}
      </details>
    </li>
  );
}
