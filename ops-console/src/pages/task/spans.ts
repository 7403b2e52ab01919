import type { components } from "../../api/schema";
import { tail } from "../../parts/format";

export type Span = components["schemas"]["Span"];

/** One row of the waterfall. */
export interface Row {
  span: Span;
  depth: number;
  title: string;
  state: string;
  note: string;
  start: number;
  /** Null while it goes on. */
  end: number | null;
}

/** The spans as rows: each below what it belongs to, in order of their beginnings. One whose parent is not among them stands at the top. */
export function rows(spans: readonly Span[]): Row[] {
  const known = new Set(spans.map((span) => span.id));
  const below = new Map<string | null, Span[]>();
  for (const span of spans) {
    const parent = span.parent !== null && known.has(span.parent) && span.parent !== span.id ? span.parent : null;
    const siblings = below.get(parent);
    if (siblings === undefined) below.set(parent, [span]);
    else siblings.push(span);
  }
  const found: Row[] = [];
  const stack = [...(below.get(null) ?? [])].reverse().map((span) => ({ span, depth: 0 }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { span, depth } = next;
    found.push(row(span, depth));
    const children = below.get(span.id) ?? [];
    for (let at = children.length - 1; at >= 0; at--) {
      const child = children[at];
      if (child !== undefined) stack.push({ span: child, depth: depth + 1 });
    }
  }
  return found;
}

function row(span: Span, depth: number): Row {
  return { span, depth, title: titleOf(span), state: stateOf(span), note: noteOf(span), start: moment(span.start) ?? 0, end: moment(span.end) };
}

const moment = (at: string | null): number | null => (at === null ? null : Date.parse(at));
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function titleOf(span: Span): string {
  const provider = text(span.detail["provider"]);
  const model = text(span.detail["model"]);
  if (span.kind === "call" && provider !== null && model !== null) return model.includes("/") ? model : `${provider}/${model}`;
  return span.kind === "attempt" || span.kind === "queue" ? capital(span.name) : span.name;
}

function stateOf(span: Span): string {
  const { detail } = span;
  if (span.kind === "decision") return text(detail["verdict"]) ?? "decided";
  if (span.kind === "approval") return text(detail["state"]) ?? (span.end === null ? "pending" : "settled");
  const outcome = text(detail["outcome"]);
  if (outcome !== null) return outcome;
  if (span.kind === "try") return detail["fault"] === undefined ? "completed" : "failed";
  if (span.end !== null) return span.kind === "task" || span.kind === "attempt" ? "settled" : "done";
  if (span.kind === "wait") return "waiting";
  if (span.kind === "queue") return "queued";
  return detail["verdict"] === "hold" ? "held" : "running";
}

function noteOf({ detail }: Span): string {
  const rules = list(detail["rules"]);
  const reasons = list(detail["reasons"]);
  const fault = text(detail["fault_message"]) ?? faultOf(detail["fault"]);
  const cost = text(detail["cost_usd"]);
  return [
    rules.length > 0 ? `rules ${rules.join(", ")}` : "", reasons.join(", "), fault ?? "", text(detail["reason"]) ?? "", text(detail["summary"]) ?? "",
    cost !== null && Number(cost) > 0 ? `$${cost}` : "", text(detail["instance"]) === null ? "" : `on ${tail(String(detail["instance"]))}`,
  ].filter((part) => part !== "").join(" · ");
}

function faultOf(fault: unknown): string | null {
  if (typeof fault !== "object" || fault === null) return text(fault);
  return "message" in fault ? text(fault.message) : "code" in fault ? text(fault.code) : null;
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** The aggregate and id of what a span is about: `call:018f…` is about that call, `try:018f…:2` too. */
export function about(span: Span): string {
  return span.id.split(":")[1] ?? "";
}

/** The dotted paths of an event's sealed parts: what a reveal can ask for. */
export function sealed(data: unknown, path = ""): string[] {
  if (Array.isArray(data)) return data.flatMap((each, at) => sealed(each, `${path}${path === "" ? "" : "."}${at}`));
  if (typeof data !== "object" || data === null) return [];
  const fields = Object.entries(data);
  if (fields.length === 1 && fields[0]?.[0] === "sealed") return [path];
  return fields.flatMap(([name, inner]) => sealed(inner, path === "" ? name : `${path}.${name}`));
}
