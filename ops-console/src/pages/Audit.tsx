import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState, useSyncExternalStore } from "react";

import { api, download, item, sent } from "../api/client";
import { told } from "../api/problem";
import type { AuditStatus, EventRow, Verdict } from "../api/rows";
import { feed } from "../live/live";
import { Empty, Fault, Loading } from "../parts/Fault";
import { count, tail } from "../parts/format";
import { Json } from "../parts/Json";
import { Facts, Page, Panel } from "../parts/Page";
import { save } from "../parts/save";
import { Badge } from "../parts/Status";
import { Time } from "../parts/Time";
import { useNames } from "../shell/people";
import { toast } from "../shell/Toasts";
import { anchorsIn, lastAnchor } from "./audit/anchors";

const PAGE = 100;

/** Every event there is, whether the chain over them is whole, and proof for those who do not take our word. */
export function Audit() {
  const status = useQuery({ queryKey: ["audit"], queryFn: () => item<AuditStatus>(api.GET("/api/v1/audit/status")) });
  const verify = useMutation({
    mutationFn: async (kept: File | null) => item<Verdict>(api.POST("/api/v1/audit/verify", { body: { anchors: kept === null ? [] : anchorsIn(await kept.text()) } })),
  });
  const last = status.data?.last_checkpoint;
  const anchored = lastAnchor(status.data?.anchors ?? []);
  return (
    <Page title="Audit" lead="Nothing here can be changed without the chain showing it."
      actions={<><Export /><button type="button" className="btn btn-primary" disabled={verify.isPending} onClick={() => verify.mutate(null)}>{verify.isPending ? "Recomputing…" : "Verify the chain"}</button></>}>
      <div className="grid items-start gap-4 xl:grid-cols-[22rem_1fr]">
        <Panel title="Chain">
          <div className="space-y-3 p-4">
            {status.error !== null && <Fault error={status.error} />}
            {verify.error !== null && <Fault error={verify.error} />}
            {verify.data !== undefined && (
              <div role="status" className={`rounded-md p-3 ${verify.data.ok ? "bg-[var(--done-soft)] text-done" : "bg-[var(--fail-soft)] text-fail"}`}>
                <Badge tone={verify.data.ok ? "done" : "fail"}>{verify.data.ok ? "whole" : "broken"}</Badge>
                <p className="mt-1.5 font-medium">{verify.data.ok ? `${count(verify.data.events)} events recomputed; every link and signature holds${verify.data.anchors > 0 ? `, and so do ${count(verify.data.anchors)} anchors that were kept outside` : ""}.` : "The chain does not hold. Keep a copy of the data folder before anything else."}</p>
                {!verify.data.ok && <Json value={verify.data.problems} label="What is broken" />}
              </div>
            )}
            {status.data !== undefined && (
              <Facts rows={[
                ["Reaches", `event ${count(status.data.position)}`], ["Checkpoints", count(status.data.checkpoints)], ["Not yet signed", count(status.data.uncovered)],
                ["Last checkpoint", last == null ? "none yet" : <span key="l">up to event {count(last.seq)}, <Time at={last.time} /></span>], ["Signed with", <code key="k" className="font-mono text-sm">{status.data.key_id}</code>],
                ["Root", last == null ? "–" : <code key="r" className="font-mono text-sm" title={last.root}>{tail(last.root)}</code>],
                ["Last anchored", anchored === null ? <span key="a" className="text-wait">nowhere outside: who has this machine could rewrite all of it</span> : <span key="a">up to event {count(anchored.anchored)}, {anchored.anchored >= (last?.seq ?? 0) ? "which is the last checkpoint" : `${count((last?.seq ?? 0) - anchored.anchored)} before the last checkpoint`}</span>],
                ...(anchored === null ? [] : [["Kept at", <ul key="kept">{status.data.anchors.map((each) => <li key={each.place} className="break-all">{each.place}, up to event {count(each.anchored)}{each.fault === null ? "" : ` (${each.fault})`}</li>)}</ul>] as [string, React.ReactNode]]),
              ]} />
            )}
            <label className="block text-sm">Hold it against anchors that were kept outside
              <input type="file" className="field mt-1 py-1" accept=".jsonl,.json,.txt" disabled={verify.isPending} onChange={(event) => {
                const kept = event.target.files?.[0];
                if (kept !== undefined) verify.mutate(kept);
                event.target.value = "";
              }} />
            </label>
          </div>
        </Panel>
        <Events />
      </div>
    </Page>
  );
}

/** What somebody typed, as the gateway's filters: a type of event, a task's id, or words that stand in the event. */
function asked(text: string): { type?: string; task?: string; q?: string } {
  const wanted = text.trim();
  if (/^[a-z-]+\.[a-z-]+$/.test(wanted)) return { type: wanted };
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(wanted)) return { task: wanted };
  return wanted.length < 2 ? {} : { q: wanted };
}

const TYPING_MS = 350;

/** Every event, newest first, searched where they are kept: in the ledger. */
function Events() {
  const position = useSyncExternalStore((listener) => feed.onEvent(listener), () => feed.position);
  const { people } = useNames();
  const [typed, setTyped] = useState("");
  const [text, setText] = useState("");
  const [actor, setActor] = useState("");
  const [since, setSince] = useState("");
  const [until, setUntil] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setText(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const filters = {
    ...asked(text), ...(actor === "" ? {} : { actor }), ...(since === "" ? {} : { since: new Date(since).toISOString() }), ...(until === "" ? {} : { until: new Date(until).toISOString() }),
  };
  // Not made stale by events: the list stands still until somebody asks for what is new.
  const answer = useInfiniteQuery({
    queryKey: ["history", filters], initialPageParam: null as string | null, placeholderData: keepPreviousData, staleTime: Infinity,
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/audit/events", { params: { query: { ...filters, limit: PAGE, ...(pageParam === null ? {} : { cursor: pageParam }) } } })),
    getNextPageParam: (last) => last.next_cursor,
  });
  const rows = (answer.data?.pages ?? []).flatMap((each) => each.items) as EventRow[];
  const fresh = Math.max(0, (position ?? 0) - (answer.data?.pages[0]?.position ?? Infinity));
  const narrowed = Object.keys(filters).length > 0;
  return (
    <Panel title="Events">
      <form role="search" className="flex flex-wrap gap-2 border-b border-line p-3" onSubmit={(event) => {
        event.preventDefault();
        setText(typed);
      }}>
        <input className="field flex-1 basis-64" type="search" aria-label="Filter these events" placeholder="A type such as kill.engaged, a task's id, or words" value={typed} onChange={(event) => setTyped(event.target.value)} />
        <select className="field w-auto" aria-label="Who did it" value={actor} onChange={(event) => setActor(event.target.value)}>
          <option value="">Anybody</option>
          {people.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
        </select>
        <label className="flex items-center gap-1.5 text-sm text-ink-2">Since <input type="datetime-local" className="field w-auto" value={since} onChange={(event) => setSince(event.target.value)} /></label>
        <label className="flex items-center gap-1.5 text-sm text-ink-2">Until <input type="datetime-local" className="field w-auto" value={until} onChange={(event) => setUntil(event.target.value)} /></label>
      </form>
      {fresh > 0 && <button type="button" className="w-full border-b border-line bg-accent-soft px-3 py-1.5 font-semibold text-accent" onClick={() => void answer.refetch()}>{count(fresh)} new{narrowed ? " in the log" : ""} – show</button>}
      {answer.error !== null && <Fault error={answer.error} />}
      {answer.isPending ? <Loading what="events" /> : rows.length === 0 ? <Empty title="No event matches">{answer.hasNextPage ? "Not among the newest; look further back." : "Widen the search, or clear it."}</Empty> : (
        <ul aria-label="Events">{rows.map((row) => <EventLine key={row.seq} row={row} />)}</ul>
      )}
      <div className="flex items-center justify-between border-t border-line px-4 py-2">
        <span className="text-ink-3">{count(rows.length)} shown, newest first</span>
        <button type="button" className="btn" disabled={!answer.hasNextPage || answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>{answer.isFetchingNextPage ? "Looking…" : "Older"}</button>
      </div>
    </Panel>
  );
}

function EventLine({ row }: { row: EventRow }) {
  const [proof, setProof] = useState<string | null>(null);
  const file = `agentos-proof-${row.seq}.json`;
  const prove = useMutation({
    mutationFn: () => sent(api.GET("/api/v1/audit/proof", { params: { query: { event: row.subject } } })),
    onSuccess: (answer) => setProof(answer.proof),
    onError: (error) => toast(told(error), "fail"),
  });
  return (
    <li className="border-b border-line px-4 py-2 last:border-b-0">
      <details>
        <summary className="flex flex-wrap items-baseline gap-x-4">
          <span className="w-16 font-mono text-sm text-ink-3">#{row.seq}</span>
          <strong className="w-48 font-mono text-sm font-semibold">{row.type}</strong>
          <span className="min-w-0 flex-1 truncate font-mono text-sm text-ink-3">{row.subject}</span>
          <Time at={row.time} />
        </summary>
        <div className="mt-2 space-y-2">
          <Json value={row.data} label={`Event ${row.seq}`} />
          <div className="flex flex-wrap items-center gap-3">
            <button type="button" className="btn" disabled={prove.isPending} onClick={() => prove.mutate()}>Inclusion proof</button>
            {row.correlation_id !== null && /^[0-9a-f-]{36}$/.test(row.correlation_id) && <Link to="/tasks/$task" params={{ task: row.correlation_id }}>Its task</Link>}
          </div>
          {proof !== null && (
            <section aria-label={`Proof of event ${row.seq}`} className="space-y-2">
              <div className="flex flex-wrap items-center gap-3">
                <button type="button" className="btn btn-primary" onClick={() => save(new Blob([proof], { type: "application/json" }), file)}>Download the proof</button>
                <span className="text-ink-2">Anybody can check it without this system: <code className="font-mono text-sm break-all">agentos audit verify --proof {file}</code></span>
              </div>
              {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must take the focus */}
              <pre className="code max-h-40 overflow-auto rounded-md border border-line bg-raised p-3" tabIndex={0}>{proof}</pre>
            </section>
          )}
        </div>
      </details>
    </li>
  );
}

/** The chain as a file, fetched with this page's token: a plain link could not say who asks. */
function Export() {
  const take = useMutation({
    mutationFn: async () => save(await download("/api/v1/audit/export"), "agentos-audit.jsonl"),
    onError: (error) => toast(told(error), "fail"),
  });
  return <button type="button" className="btn" disabled={take.isPending} onClick={() => take.mutate()}>{take.isPending ? "Exporting…" : "Export"}</button>;
}
