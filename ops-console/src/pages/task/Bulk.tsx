import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import { count } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { toast } from "../../shell/Toasts";

const AT_ONCE = 6;

type Act = (task: string) => Promise<unknown>;

/** Do it to each, a few at a time; one that is refused stops no other. */
async function each(tasks: string[], act: Act): Promise<{ done: number; refused: Map<string, string> }> {
  const waiting = [...tasks];
  const refused = new Map<string, string>();
  const worker = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      try {
        await act(task);
      } catch (error) {
        refused.set(task, told(error));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { done: tasks.length - refused.size, refused };
}

/** The bar above the marked tasks. What was refused stays marked, and why is told. */
export function Bulk({ marked, onMarked }: { marked: ReadonlySet<string>; onMarked: (marked: ReadonlySet<string>) => void }) {
  const [cancelling, setCancelling] = useState(false);
  const [reason, setReason] = useState("");
  const client = useQueryClient();
  const run = useMutation({
    mutationFn: async ({ verb, act }: { verb: string; act: Act }) => ({ verb, ...(await each([...marked], act)) }),
    onSuccess: ({ verb, done, refused }) => {
      if (done > 0) toast(`${count(done)} ${verb}`);
      const why = [...refused.values()][0];
      if (why !== undefined) toast(`${count(refused.size)} not: ${why}`, "fail");
      onMarked(new Set(refused.keys()));
      setCancelling(false);
      setReason("");
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["tasks"] }),
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    run.mutate({ verb: "being cancelled", act: (task) => sent(api.POST("/api/v1/tasks/{task}/cancel", { params: { path: { task } }, body: { reason: reason.trim() } })) });
  };
  return (
    <div className="flex flex-wrap items-center gap-2 border-b border-line bg-accent-soft px-3 py-2" role="group" aria-label="Marked tasks">
      <span className="font-semibold">{count(marked.size)} marked</span>
      <button type="button" className="btn ml-auto" disabled={run.isPending}
        onClick={() => run.mutate({ verb: "asked to run again", act: (task) => sent(api.POST("/api/v1/tasks/{task}/retry", { params: { path: { task } }, body: { from_step: null } })) })}>
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
