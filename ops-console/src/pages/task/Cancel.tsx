import { useMutation } from "@tanstack/react-query";
import type { SubmitEvent } from "react";

import { api, sent } from "../../api/client";
import { useDraft } from "../../parts/drafts";
import { Fault } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import { toast } from "../../shell/Toasts";

export function Cancel({ task, onClose }: { task: string; onClose: () => void }) {
  const [reason, setReason, sentIt] = useDraft(`cancel:${task}`);
  const cancel = useMutation({
    mutationFn: () => sent(api.POST("/api/v1/tasks/{task}/cancel", { params: { path: { task } }, body: { reason: reason.trim() } })),
    onSuccess: () => {
      sentIt();
      toast("The task is being cancelled");
      onClose();
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    cancel.mutate();
  };
  return (
    <Modal title="Cancel this task" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <div>
          <label className="label" htmlFor="cancel-reason">Why? It stands in the log.</label>
          <input id="cancel-reason" className="field" required maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
        </div>
        {cancel.error !== null && <Fault error={cancel.error} />}
        <div className="flex justify-end gap-2">
          <button type="button" className="btn" onClick={onClose}>Keep it</button>
          <button type="submit" className="btn btn-stop" disabled={cancel.isPending}>Cancel the task</button>
        </div>
      </form>
    </Modal>
  );
}
