import type { Task } from "../../api/rows";
import { duration } from "../../parts/format";

const GOES_WELL: ReadonlySet<string> = new Set(["admitted", "routed", "running", "completed"]);

/** In a line, what a task waits for or why it ended. */
export function about(task: Task): string {
  if (task.fault_message !== null) return task.fault_message;
  if (task.waiting_for !== null) return `waits for ${task.waiting_for}`;
  // The rule that admitted a task is no reason for what became of it.
  return GOES_WELL.has(task.outcome ?? task.state) ? "" : task.reasons?.join(", ") ?? "";
}

export function took(task: Task): string {
  if (task.submitted_at === null || task.settled_at === null) return "–";
  return duration(new Date(task.settled_at).getTime() - new Date(task.submitted_at).getTime());
}

/** What a task is called, where whoever asked for it said so in a label: labels are in clear, everything else that they sent is sealed. */
export function titleOf(task: Task): string | null {
  const title = task.labels?.["title"]?.trim();
  return title === undefined || title === "" ? null : title;
}
