import { useQuery } from "@tanstack/react-query";

import { api, page } from "../../api/client";
import type { EventRow } from "../../api/rows";
import { Fault, Loading } from "../../parts/Fault";
import { duration, usd } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Facts, Panel } from "../../parts/Page";
import { Time } from "../../parts/Time";
import { Compared } from "./Compared";
import { LogLines } from "./LogLines";
import { Reveal, type Revealed } from "./Reveal";
import { about, type Row, sealed } from "./spans";

const LIMIT = 200;
/** Where reading a span's events ends: a call has a handful, and between its first and last others' may lie. */
const MOST_PAGES = 10;

async function eventsOf(task: string, { span }: Row): Promise<EventRow[]> {
  const read = (after: number, limit: number) =>
    page<EventRow>(api.GET("/api/v1/tasks/{task}/events", { params: { path: { task }, query: { cursor: String(after), limit } } }));
  if (span.kind === "task" || span.kind === "attempt") {
    // Everything lies within these: their own are the events that begin and end them.
    const ends = [span.position, ...(span.end_position === null || span.end_position === span.position ? [] : [span.end_position])];
    return (await Promise.all(ends.map((at) => read(at - 1, 1)))).flatMap((each) => each.items);
  }
  const found: EventRow[] = [];
  let after = span.position - 1;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const { items, next_cursor } = await read(after, LIMIT);
    found.push(...items.filter((event) => (span.end_position === null || event.seq <= span.end_position) && event.subject.split(".")[3] === about(span)));
    const last = items.at(-1)?.seq;
    if (next_cursor === null || last === undefined || (span.end_position !== null && last >= span.end_position)) break;
    after = last;
  }
  return found;
}

interface Props {
  task: string;
  row: Row;
  /** Null where nothing can be begun again. */
  onReplay: ((step: number) => void) | null;
}

/** What a row of the waterfall stands for: the figures, what decided it, and its events as they are in the log. */
export function SpanPanel({ task, row, onReplay }: Props) {
  const { span } = row;
  const events = useQuery({ queryKey: ["task", task, "events", span.id, span.end_position], queryFn: () => eventsOf(task, row) });
  const cost = span.detail["cost_usd"];
  const facts: [string, React.ReactNode][] = [
    ["Began", <Time key="began" at={span.start} />], ["Took", row.end === null ? "goes on" : duration(row.end - row.start)],
    ...(["verdict", "outcome"] as const).flatMap((name) => said(name, span.detail[name])),
    ...said("Rules that decided", span.detail["rules"]), ...said("Reasons", span.detail["reasons"]), ...said("Policy bundle", span.detail["bundle"]),
    ...(typeof cost === "string" ? [["Cost", span.detail["simulated"] === true ? `${usd(cost)}, simulated` : usd(cost)] as [string, string]] : []),
    ...said("Tokens in", span.detail["input_tokens"]), ...said("Tokens out", span.detail["output_tokens"]), ...said("Found in it", entities(span.detail["entities"])),
    ...said("Fault", span.detail["fault_message"]),
  ];
  const at = span.detail["step"];
  return (
    <Panel title={row.title} actions={onReplay !== null && typeof at === "number" && (span.kind === "call" || span.kind === "tool")
      ? <button type="button" className="btn" title="What the steps before returned is taken from the log; this one and those after are done again" onClick={() => onReplay(at)}>Replay from here (step {at})</button> : undefined}>
      <div className="border-b border-line p-4"><Facts rows={facts} /></div>
      {events.error !== null && <Fault error={events.error} />}
      {events.isPending ? <Loading what="its events" /> : (
        <>
          {(span.kind === "call" || span.kind === "tool") && <Compared events={events.data ?? []} />}
          <ol>{events.data?.map((event) => <EventItem key={event.seq} event={event} />)}</ol>
        </>
      )}
    </Panel>
  );
}

function said(name: string, value: unknown): [string, string][] {
  if (Array.isArray(value)) return value.length === 0 ? [] : [[name, value.join(", ")]];
  return typeof value === "string" || typeof value === "number" ? [[name.charAt(0).toUpperCase() + name.slice(1), String(value)]] : [];
}

function entities(value: unknown): string | null {
  // Only calls are looked through; of anything else nothing is claimed.
  if (typeof value !== "object" || value === null) return null;
  const found = Object.entries(value).map(([kind, times]) => `${String(times)} ${kind.toLowerCase()}`);
  return found.length === 0 ? "nothing personal" : found.join(", ");
}

function EventItem({ event }: { event: EventRow }) {
  const fields = sealed(event.data);
  return (
    <li className="border-b border-line px-4 py-2.5 last:border-b-0">
      <details>
        <summary className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
          <strong className="font-mono text-sm">{event.type}</strong>
          <Time at={event.time} />
          {fields.length > 0 && <span className="text-sm text-hold">sealed: {fields.join(", ")}</span>}
          <span className="ml-auto font-mono text-sm text-ink-3">#{event.seq}</span>
        </summary>
        <div className="mt-2.5 space-y-2.5">
          {fields.length > 0 && <Reveal event={event.subject} fields={fields} {...(event.type === "log.written" ? { show: ({ value }: Revealed) => <LogLines lines={value} /> } : {})} />}
          <Json value={event.data} label={`Event ${event.seq}`} />
        </div>
      </details>
    </li>
  );
}
