import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { SubmitEvent } from "react";

import { api, sent } from "../../api/client";
import { useDraft } from "../../parts/drafts";
import { Fault } from "../../parts/Fault";
import { count } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { toast } from "../../shell/Toasts";

/** Let messages go, for a reason that stays in the log. */
export function Discard({ ids, onClose, onDone }: { ids: string[]; onClose: () => void; onDone: () => void }) {
  const [reason, setReason, sentIt] = useDraft("discard");
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: async () => {
      for (const id of ids) await sent(api.POST("/api/v1/deadletters/{letter}/discard", { params: { path: { letter: Number(id) } }, body: { reason: reason.trim() } }));
    },
    onSuccess: () => {
      sentIt();
      toast(ids.length === 1 ? "The message is discarded" : `${count(ids.length)} messages are discarded`);
      onDone();
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["deadletters"] }),
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    act.mutate();
  };
  return (
    <Modal title={ids.length === 1 ? "Discard this message?" : `Discard ${count(ids.length)} messages?`} onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <p>Nobody will work on {ids.length === 1 ? "it" : "them"} any more.</p>
        <div><label className="label" htmlFor="discard-reason">Why? It stands in the log.</label><input id="discard-reason" className="field" required maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} /></div>
        {act.error !== null && <Fault error={act.error} />}
        <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Keep</button><button type="submit" className="btn btn-stop" disabled={act.isPending}>Discard</button></div>
      </form>
    </Modal>
  );
}
