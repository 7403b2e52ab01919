import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Fault } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import { Badge } from "../../parts/Status";
import { useMay } from "../../session/may";
import { toast } from "../../shell/Toasts";

export type Agent = components["schemas"]["Agent"];

/** What is to be paused, or to go on: an agent, or with `pack` all that a pack has. */
export interface Paused { title: string; action: "pause" | "resume"; agents: Agent[]; pack: string | null }

export const pathOf = (agent: Agent) => ({ path: { pack: agent.pack, agent: agent.agent } });

/** Nothing new starts, what runs may finish, what comes waits. Stopping at once is the kill switch's. */
export function Pause({ what, onClose }: { what: Paused; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const client = useQueryClient();
  const pausing = what.action === "pause";
  const act = useMutation({
    mutationFn: async () => {
      const body = { action: what.action, reason: reason.trim() };
      if (what.pack !== null) return sent(api.POST("/api/v1/packs/{pack}/control", { params: { path: { pack: what.pack } }, body }));
      return Promise.all(what.agents.map((agent) => sent(api.POST("/api/v1/agents/{pack}/{agent}/control", { params: pathOf(agent), body }))));
    },
    onSuccess: () => {
      toast(pausing ? `${what.title} is paused` : `${what.title} goes on`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["agents"] }),
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    act.mutate();
  };
  const verb = pausing ? "Pause" : "Resume";
  const external = what.agents.some((each) => each.kind === "external");
  return (
    <Modal title={`${verb} ${what.title}`} onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <p>{pausing ? <>Nothing new starts there; what runs may finish. {external ? "Its calls are refused meanwhile." : "Tasks that come meanwhile wait."}</> : "New work starts again, also what has waited meanwhile."}</p>
        <div><label className="label" htmlFor="pause-reason">Why? It stands in the log.</label><input id="pause-reason" className="field" required minLength={3} maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} /></div>
        {act.error !== null && <Fault error={act.error} />}
        <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn btn-primary" disabled={act.isPending}>{verb}</button></div>
      </form>
    </Modal>
  );
}

/** How an agent stands: what people did to it comes before whether it lives. */
export function Standing({ agent }: { agent: Agent }) {
  const stop = agent.stopped_by[0];
  if (agent.state === "unregistered") return <Badge tone="idle">unregistered</Badge>;
  if (stop !== undefined) return <Badge tone="fail">{stop.mode === "halt" ? "stopped" : "draining"}</Badge>;
  if (agent.state === "paused") return <Badge tone="wait">paused</Badge>;
  return agent.online ? <Badge tone="done">live</Badge> : <Badge tone="idle">{agent.since === null ? "not seen yet" : "gone"}</Badge>;
}

/** The button that pauses these agents, or lets them go on, for who may. */
export function PauseButton({ title, agents, pack = null, onAsk }: { title: string; agents: Agent[]; pack?: string | null; onAsk: (what: Paused) => void }) {
  const may = useMay("agents.control");
  const active = agents.filter((each) => each.state === "active");
  const paused = agents.filter((each) => each.state === "paused");
  if (!may || active.length + paused.length === 0) return null;
  const what: Paused = active.length > 0 ? { title, action: "pause", agents: active, pack } : { title, action: "resume", agents: paused, pack };
  const verb = what.action === "pause" ? "Pause" : "Resume";
  return <button type="button" className="btn" aria-label={`${verb} ${title}`} onClick={() => onAsk(what)}>{verb}…</button>;
}
