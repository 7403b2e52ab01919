import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { KillSwitch } from "../../api/rows";
import { Fault } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import { Badge } from "../../parts/Status";
import { toast } from "../../shell/Toasts";

/** What is to be paused; with the switch that pauses it, what is to go on. */
export interface Paused { scope: "pack" | "agent"; target: string; by?: KillSwitch | undefined }

/** A pause drains: nothing new starts and what runs may finish. Stopping at once is the kill switch's. */
export function Pause({ what, onClose }: { what: Paused; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: async () => {
      const body = { reason: reason.trim() };
      return what.by === undefined
        ? sent(api.POST("/api/v1/kill", { body: { ...body, scope: what.scope, target: what.target, mode: "drain" } }))
        : sent(api.POST("/api/v1/kill/{switch}/release", { params: { path: { switch: what.by.id } }, body: { ...body, stage: "released", share_percent: 10 } }));
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["kill"] });
      toast(what.by === undefined ? `${what.target} is paused` : `${what.target} goes on`);
      onClose();
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    act.mutate();
  };
  const verb = what.by === undefined ? "Pause" : "Resume";
  return (
    <Modal title={`${verb} ${what.target}`} onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <p>{what.by === undefined ? "Nothing new starts there; what runs may finish. Tasks that come meanwhile wait." : "New work starts again, also what has waited meanwhile."}</p>
        <div><label className="label" htmlFor="pause-reason">Why? It stands in the log.</label><input id="pause-reason" className="field" required minLength={3} maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} /></div>
        {act.error !== null && <Fault error={act.error} />}
        <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn btn-primary" disabled={act.isPending}>{verb}</button></div>
      </form>
    </Modal>
  );
}

/** Whether it is paused, and the button that changes it. */
export function PauseState({ what, live, onAsk }: { what: Paused; live: boolean; onAsk: (what: Paused) => void }) {
  return (
    <span className="flex items-center gap-2">
      {what.by !== undefined ? <Badge tone="wait">{what.by.mode === "halt" ? "stopped" : "paused"}</Badge> : <Badge tone={live ? "done" : "idle"}>{live ? "live" : "gone"}</Badge>}
      <button type="button" className="btn" aria-label={`${what.by === undefined ? "Pause" : "Resume"} ${what.target}`} onClick={() => onAsk(what)}>{what.by === undefined ? "Pause…" : "Resume…"}</button>
    </span>
  );
}
