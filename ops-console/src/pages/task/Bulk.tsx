import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import { useDraft } from "../../parts/drafts";
import { count } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { toast } from "../../shell/Toasts";

type Act = "cancel" | "retry";
/** What the gateway takes at a time. */
const AT_ONCE = 200;

/** One act on many, in portions; one that is refused stops no other. */
async function each(action: Act, tasks: string[], reason: string): Promise<{ done: number; refused: Map<string, string> }> {
  const refused = new Map<string, string>();
  for (let at = 0; at < tasks.length; at += AT_ONCE) {
    const { items } = await sent(api.POST("/api/v1/tasks/batch", { body: { action, tasks: tasks.slice(at, at + AT_ONCE), reason } }));
    for (const one of items) if (!one.ok) refused.set(one.id, one.detail ?? "refused");
  }
  return { done: tasks.length - refused.size, refused };
}

/** The bar above the marked tasks. What was refused stays marked, and why is told. */
export function Bulk({ marked, onMarked }: { marked: ReadonlySet<string>; onMarked: (marked: ReadonlySet<string>) => void }) {
  const [cancelling, setCancelling] = useState(false);
  const [reason, setReason, sentIt] = useDraft("bulk-cancel");
  const client = useQueryClient();
  const run = useMutation({
    mutationFn: async (action: Act) => ({ action, ...(await each(action, [...marked], action === "cancel" ? reason.trim() : "")) }),
    onSuccess: ({ action, done, refused }) => {
      if (done > 0) toast(`${count(done)} ${action === "cancel" ? "being cancelled" : "asked to run again"}`);
      const why = [...refused.values()][0];
      if (why !== undefined) toast(`${count(refused.size)} not: ${why}`, "fail");
      onMarked(new Set(refused.keys()));
      setCancelling(false);
      sentIt();
    },
    onError: (error) => toast(told(error), "fail"),
    onSettled: () => client.invalidateQueries({ queryKey: ["tasks"] }),
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    run.mutate("cancel");
  };
  return (
    <div className="flex flex-wrap items-center gap-2 border-b border-line bg-accent-soft px-3 py-2" role="group" aria-label="Marked tasks">
      <span className="font-semibold">{count(marked.size)} marked</span>
      <button type="button" className="btn ml-auto" disabled={run.isPending}
        onClick={() => run.mutate("retry")}>
        {run.isPending ? "Working…" : "Retry"}
      </button>
      <button type="button" className="btn" disabled={run.isPending} onClick={() => setCancelling(true)}>Cancel…</button>
      <button type="button" className="btn btn-quiet" onClick={() => onMarked(new Set())}>Unmark</button>
      {cancelling && (
        <Modal title={`Cancel ${count(marked.size)} ${marked.size === 1 ? "task" : "tasks"}`} onClose={() => setCancelling(false)}>
          <form onSubmit={submit} className="space-y-4">
            <div>
              <label className="label" htmlFor="bulk-reason">Why? It stands in the log of each.</label>
              <input id="bulk-reason" className="field" required maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
            </div>
            <div className="flex justify-end gap-2">
              <button type="button" className="btn" onClick={() => setCancelling(false)}>Keep them</button>
              <button type="submit" className="btn btn-stop" disabled={run.isPending}>Cancel {count(marked.size)}</button>
            </div>
          </form>
        </Modal>
      )}
    </div>
  );
}
