import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, item, page, sent } from "../../api/client";
import { ProblemError } from "../../api/problem";
import type { EventRow, TaskDetail } from "../../api/rows";
import { dropIn, draftIn, keepIn } from "../../parts/drafts";
import { Fault } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import { useNames } from "../../shell/people";
import { toast } from "../../shell/Toasts";
import { changedIn, changeOf, type Terms, termsOf } from "./terms";

interface Read { revision: number; terms: Terms }

/** What a draft holds: what was read, and what somebody made of it. */
interface Draft { read: Read; terms: Terms }

/** Who changed the task since it was read, and what: the newest change, as the log has it. */
async function newest(task: TaskDetail): Promise<{ by: string; what: string } | null> {
  const at = task.timeline.filter((entry) => entry.fact === "updated").at(-1)?.seq;
  if (at === undefined) return null;
  const [event] = (await page<EventRow>(api.GET("/api/v1/tasks/{task}/events", { params: { path: { task: task.id }, query: { cursor: String(at - 1), limit: 1 } } }))).items;
  return event === undefined ? null : { by: (event.data as { by: { id: string } }).by.id, what: changedIn(event.data) };
}

/** Priority, deadline, labels and attempts of an open task. Only what is touched is sent; what somebody else has changed since it was read is
 * told before anything is written over, and what was typed stays. */
export function Edit({ task, onClose }: { task: TaskDetail; onClose: () => void }) {
  const client = useQueryClient();
  const { nameOf } = useNames();
  const name = `terms:${task.id}`;
  const [draft, setDraft] = useState<Draft>(() => (draftIn(name) as Draft | undefined) ?? { read: { revision: task.revision, terms: termsOf(task) }, terms: termsOf(task) });
  const { read, terms } = draft;
  const [meanwhile, setMeanwhile] = useState<string | null>(null);
  const change = changeOf(read.terms, terms);
  const edit = (part: Partial<Terms>): void => {
    const next = { ...draft, terms: { ...terms, ...part } };
    setDraft(next);
    keepIn(name, next);
  };
  const save = useMutation({
    mutationFn: () => sent(api.PATCH("/api/v1/tasks/{task}", { params: { path: { task: task.id }, header: { "if-match": `"${task.id}.${read.revision}"` } }, body: change })),
    onSuccess: () => {
      dropIn(name);
      toast("The task is changed");
      onClose();
    },
    onError: async (error) => {
      if (!(error instanceof ProblemError) || error.problem.status !== 412) return;
      const now = await item<TaskDetail>(api.GET("/api/v1/tasks/{task}", { params: { path: { task: task.id } } }));
      const told = await newest(now);
      const theirs = termsOf(now);
      // What was not touched follows what the others have made of it; what was typed stays, and is what saving would change.
      const mine = Object.fromEntries((Object.keys(terms) as (keyof Terms)[]).map((field) => [field, terms[field] === read.terms[field] ? theirs[field] : terms[field]])) as unknown as Terms;
      const next = { read: { revision: now.revision, terms: theirs }, terms: mine };
      setDraft(next);
      keepIn(name, next);
      setMeanwhile(told === null ? "Somebody changed it meanwhile." : `${nameOf(told.by)} changed ${told.what} meanwhile.`);
    },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ["task", task.id] }), client.invalidateQueries({ queryKey: ["tasks"] })]),
  });
  const stale = save.error instanceof ProblemError && save.error.problem.status === 412;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <Modal title="Edit this task" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        {meanwhile !== null && <p role="status" className="rounded-md bg-[var(--wait-soft)] px-3 py-2 text-wait">{meanwhile} What you typed is kept; saving again changes only what you have touched.</p>}
        <div className="grid gap-4 sm:grid-cols-2">
          <div><label className="label" htmlFor="edit-priority">Priority</label>
            <select id="edit-priority" className="field" value={terms.priority} onChange={(event) => edit({ priority: event.target.value as Terms["priority"] })}><option>high</option><option>normal</option><option>low</option></select></div>
          <div><label className="label" htmlFor="edit-attempts">Attempts at most</label><input id="edit-attempts" className="field" type="number" required min={1} max={20} value={terms.attempts} onChange={(event) => edit({ attempts: event.target.value })} /></div>
        </div>
        <div><label className="label" htmlFor="edit-deadline">Deadline, in your time zone; empty for none</label><input id="edit-deadline" className="field" type="datetime-local" value={terms.deadline} onChange={(event) => edit({ deadline: event.target.value })} /></div>
        <div><label className="label" htmlFor="edit-labels">Labels, one a line, such as <code className="font-mono">team: billing</code>. They stand in the log, so name no person.</label>
          <textarea id="edit-labels" className="field min-h-16" rows={3} value={terms.labels} onChange={(event) => edit({ labels: event.target.value })} /></div>
        {save.error !== null && !stale && <Fault error={save.error} />}
        <div className="flex justify-end gap-2">
          <button type="button" className="btn" onClick={() => {
            dropIn(name);
            onClose();
          }}>Discard</button>
          <button type="submit" className="btn btn-primary" disabled={save.isPending || Object.keys(change).length === 0}>Save</button>
        </div>
      </form>
    </Modal>
  );
}
