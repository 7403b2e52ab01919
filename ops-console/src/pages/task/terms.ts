import type { components } from "../../api/schema";
import { labelLines, labelsOf } from "../../parts/labels";

export type Change = components["schemas"]["TaskChange"];

/** What may be changed of an open task, as somebody edits it: the deadline in their own time zone, labels a line each. */
export interface Terms { priority: "high" | "normal" | "low"; deadline: string; labels: string; attempts: string }

interface Row { priority: string; deadline: string | null; labels: Record<string, string> | null; max_attempts: number }

export function termsOf(row: Row): Terms {
  return { priority: row.priority as Terms["priority"], deadline: row.deadline === null ? "" : local(row.deadline), labels: labelLines(row.labels ?? {}), attempts: String(row.max_attempts) };
}

/** What `now` changes of `read`: what somebody has not touched is left out, so that it stays as others have it. */
export function changeOf(read: Terms, now: Terms): Change {
  return {
    ...(now.priority === read.priority ? {} : { priority: now.priority }),
    ...(now.deadline === read.deadline ? {} : { deadline: now.deadline === "" ? null : new Date(now.deadline).toISOString() }),
    ...(now.labels === read.labels ? {} : { labels: labelsOf(now.labels) }),
    ...(now.attempts === read.attempts ? {} : { max_attempts: Number(now.attempts) }),
  };
}

/** For a field of type datetime-local. */
function local(iso: string): string {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** `priority to high, labels to team: billing`: what an event `task.updated` says was changed. */
export function changedIn(data: unknown): string {
  const said = data as { changed?: string[] } & Record<string, unknown>;
  return (said.changed ?? []).map((name) => `${NAMES[name] ?? name} to ${spelled(said[name])}`).join(", ");
}

const NAMES: Record<string, string> = { max_attempts: "attempts" };

function spelled(value: unknown): string {
  if (value === null || value === undefined) return "none";
  return typeof value === "string" || typeof value === "number" ? String(value) : labelLines(value as Record<string, string>).replaceAll("\n", ", ") || "none";
}
