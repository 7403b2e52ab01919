/** What the rows of the ledger's lists hold: the columns of its projections, as the gateway passes them on. */

import type { components } from "./schema";

export interface Task {
  id: string; type: string; pack: string | null; agent: string | null; version: string | null; priority: string; state: string;
  requester_kind: string; requester: string; parent: string | null; waiting_for: string | null; waiting_on: string | null;
  outcome: string | null; fault_code: string | null; fault_message: string | null; labels: Record<string, string> | null;
  reasons: string[] | null; attempt: number; max_attempts: number; simulated_calls: number; unpriced_calls: number; refusals: number;
  input_tokens: number; output_tokens: number; cost_usd: string; deadline: string | null; submitted_at: string | null;
  started_at: string | null; retry_at: string | null; settled_at: string | null; updated_at: string | null; first_seq: number; last_seq: number;
}

export interface Attempt {
  attempt: number; queued_at: string | null; reason: string | null; verdict: string | null; reasons: string[] | null; rules: string[] | null;
  pack: string | null; agent: string | null; routing: string | null; started_at: string | null; ended_at?: string | null; instance: string | null;
}

export interface Call {
  id: string; kind: "model" | "tool"; task: string; pack: string; agent: string; state: string; requested_model: string | null; model: string | null;
  provider: string | null; tool: string | null; effect: string | null; verdict: string | null; bundle: string | null; outcome: string | null;
  finish_reason: string | null; fault_code: string | null; fault_message: string | null; cached_from: string | null; reasons: string[] | null;
  rules: string[] | null; entities: Record<string, number> | null; attempt: number; step: number; attempts: number; duration_ms: number;
  input_tokens: number; output_tokens: number; simulated: boolean; unpriced: boolean; cost_usd: string;
  requested_at: string | null; decided_at: string | null; started_at: string | null; settled_at: string | null; first_seq: number;
}

export interface TaskDetail extends Task {
  result: unknown;
  revision: number;
  timeline: { seq: number; fact: string }[];
  result_state: "none" | "opened" | "sealed" | "erased";
  attempts: Attempt[];
  calls: Call[];
  approvals: Approval[];
}

export interface Vote { by?: { id?: string } | string; outcome?: string; at?: string }

export interface Risk { level: "low" | "medium" | "high"; because: { level: Risk["level"]; text: string }[] }

export interface Approval {
  id: string; kind: "model" | "tool" | "checkpoint"; target: string; task: string; task_type: string; task_title: string | null; pack: string; agent: string; requester: string;
  state: "pending" | "approved" | "rejected" | "expired" | "cancelled"; summary: string; digest: string; resolved_kind: string | null;
  resolved_by: string | null; reason: string | null; preview: Record<string, unknown> | null; reasons: string[] | null; approver_roles: string[] | null;
  votes: Record<string, unknown>[] | null; edits: Record<string, unknown>[] | null; diff: unknown; revision: number; quorum: number; comments: number;
  escalations: number; four_eyes: boolean; editable: boolean; frozen: boolean; expires_at: string | null; requested_at: string; resolved_at: string | null;
  history: Record<string, number>; approvals: number; risk: Risk; first_seq: number;
  remarks?: { by: string | { id: string }; at: string; text: string | null }[];
}

export interface EventRow {
  seq: number; subject: string; event_id: string | null; correlation_id: string | null; causation_id: string | null; problem: string | null;
  type: string; time: string; data: unknown;
}

export interface KillSwitch {
  id: string; since: string; scope: string; target: string; mode: "halt" | "drain"; reason?: string; tenant: string; state?: string; share_percent?: number | null;
}

/** One thing in flight that a switch hit. `why` where nobody could confirm that it stopped. */
export interface Stopped { id: string | null; at: string; what: "call" | "tool" | "attempt"; task: string; pack: string; agent: string; after_ms?: number; why?: string }

export interface Drilled {
  rounds: number; p50_ms: number | null; p99_ms: number | null; max_ms: number | null;
  instances: { service: string; instance: string; seen: number; missed: number; p50_ms: number | null; p99_ms: number | null; max_ms: number | null }[];
}

export interface KillDetail extends KillSwitch {
  requested: { request: number; reason: string; by?: { id: string } } | null;
  history: { what: string; at: string; reason?: string; by?: { id: string }; share_percent?: number }[];
  looks: { cancelled: number; unconfirmed: number; running: number; last_after_ms: number | null; at: string } | null;
  cancelled: Stopped[];
  unconfirmed: Stopped[];
  by?: { id: string };
}

export type Pack = components["schemas"]["PackItem"];
/** The route answers with CSV too, so that its answer has no one type. */
export type Costs = components["schemas"]["Costs"];

export type AuditStatus = components["schemas"]["AuditStatus"];
export type Verdict = components["schemas"]["Verified"];

export type Delegation = components["schemas"]["DelegationItem"];
