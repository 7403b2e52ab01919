import type { EventRow } from "../../api/rows";

/** One row of the waterfall: something that began, perhaps ended, and the events that say so. */
export interface Span {
  id: string;
  kind: "task" | "call" | "tool" | "approval" | "checkpoint" | "kill" | "other";
  title: string;
  start: number;
  /** Null while it goes on. */
  end: number | null;
  state: string;
  note: string;
  events: EventRow[];
}

const ENDS = new Set(["settled", "resolved", "ruled", "ended"]);

type Data = Record<string, unknown>;

/** The task's events as spans, in order of their beginnings: one a call, tool or approval, and one an attempt of the task itself. */
export function spans(events: EventRow[]): Span[] {
  const found = new Map<string, Span>();
  let attempt = 1;
  for (const event of events) {
    const [, , aggregate = "other", id = ""] = event.subject.split(".");
    const fact = event.type.split(".")[1] ?? "";
    const data = (typeof event.data === "object" && event.data !== null ? event.data : {}) as Data;
    if (aggregate === "task" && fact === "queued") attempt = Number(event.subject.split(".")[5] ?? 1);
    const key = aggregate === "task" ? `attempt ${attempt}` : `${aggregate}.${id}`;
    const at = new Date(event.time).getTime();
    const span = found.get(key) ?? { id: key, kind: kindOf(aggregate), title: titleOf(aggregate, attempt, data), start: at, end: null, state: "running", note: "", events: [] };
    found.set(key, span);
    span.events.push(event);
    span.title = betterTitle(span, data);
    span.state = stateOf(fact, data) ?? span.state;
    span.note = noteOf(data) ?? span.note;
    if (ENDS.has(fact)) span.end = at;
  }
  return [...found.values()];
}

function kindOf(aggregate: string): Span["kind"] {
  return aggregate === "task" || aggregate === "call" || aggregate === "tool" || aggregate === "approval" || aggregate === "checkpoint" || aggregate === "kill" ? aggregate : "other";
}

function titleOf(aggregate: string, attempt: number, data: Data): string {
  if (aggregate === "task") return `Attempt ${attempt}`;
  return text(data["tool"]) ?? text(data["target"]) ?? text(data["model"]) ?? aggregate;
}

function betterTitle(span: Span, data: Data): string {
  const provider = text(data["provider"]);
  const model = text(data["model"]);
  return span.kind === "call" && provider !== null && model !== null ? `${provider}/${model}` : span.title;
}

function stateOf(fact: string, data: Data): string | null {
  if (fact === "decided") return data["verdict"] === "deny" ? "denied" : data["verdict"] === "hold" ? "held" : null;
  if (fact === "suspended") return "waiting";
  if (fact === "resumed" || fact === "started") return "running";
  if (ENDS.has(fact)) return text(data["outcome"]) ?? text(data["state"]) ?? "settled";
  return fact === "requested" ? (data["approver_roles"] === undefined ? "requested" : "pending") : null;
}

function noteOf(data: Data): string | null {
  const rules = data["rules"];
  return Array.isArray(rules) && rules.length > 0 ? rules.join(", ") : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** The dotted paths of an event's sealed parts: what a reveal can ask for. */
export function sealed(data: unknown, path = ""): string[] {
  if (Array.isArray(data)) return data.flatMap((each, at) => sealed(each, `${path}${path === "" ? "" : "."}${at}`));
  if (typeof data !== "object" || data === null) return [];
  const fields = Object.entries(data);
  if (fields.length === 1 && fields[0]?.[0] === "sealed") return [path];
  return fields.flatMap(([name, inner]) => sealed(inner, path === "" ? name : `${path}.${name}`));
}
