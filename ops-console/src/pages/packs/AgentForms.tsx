import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import { Fault } from "../../parts/Fault";
import { labelLines, labelsOf } from "../../parts/labels";
import { Modal } from "../../parts/Modal";
import { toast } from "../../shell/Toasts";
import { type Agent, pathOf } from "./Pause";

interface Terms { description: string; labels: string; silence: string }

const bodyOf = (terms: Terms) => ({ description: terms.description.trim(), labels: labelsOf(terms.labels), silent_after_s: Number(terms.silence) });

function TermFields({ terms, onChange, external }: { terms: Terms; onChange: (terms: Terms) => void; external: boolean }) {
  return (
    <>
      <div><label className="label" htmlFor="agent-about">What is it for? It stands in the log, so name no person.</label><input id="agent-about" className="field" maxLength={500} value={terms.description} onChange={(event) => onChange({ ...terms, description: event.target.value })} /></div>
      <div><label className="label" htmlFor="agent-labels">Labels, one a line, such as <code className="font-mono">team: billing</code></label><textarea id="agent-labels" className="field min-h-16" rows={2} maxLength={2000} value={terms.labels} onChange={(event) => onChange({ ...terms, labels: event.target.value })} /></div>
      {external && <div><label className="label" htmlFor="agent-silence">Seconds without a heartbeat after which it counts as gone</label><input id="agent-silence" className="field" type="number" required min={10} max={3600} value={terms.silence} onChange={(event) => onChange({ ...terms, silence: event.target.value })} /></div>}
    </>
  );
}

interface FormProps { title: string; verb: string; stop?: boolean; error: unknown; pending: boolean; onSubmit: () => void; onClose: () => void; children: ReactNode }

function Form({ title, verb, stop = false, error, pending, onSubmit, onClose, children }: FormProps) {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <Modal title={title} onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        {children}
        {error !== null && <Fault error={error} />}
        <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className={`btn ${stop ? "btn-stop" : "btn-primary"}`} disabled={pending}>{verb}</button></div>
      </form>
    </Modal>
  );
}

/** Does it, says so, and shows the agents anew: also where somebody else was faster. */
function useAct(act: () => Promise<unknown>, said: string, onClose: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () => {
      toast(said);
      onClose();
    },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ["agents"] }), client.invalidateQueries({ queryKey: ["agent"] })]),
  });
}

/** An agent that runs elsewhere; or one that was taken off and is to come back. */
export function Register({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState({ pack: "", agent: "" });
  const [terms, setTerms] = useState<Terms>({ description: "", labels: "", silence: "60" });
  const act = useAct(() => sent(api.POST("/api/v1/agents", { body: { ...name, ...bodyOf(terms) } })), `${name.pack}/${name.agent} is registered`, onClose);
  const token = { pattern: "[A-Za-z0-9_\\-]{1,128}", title: "Letters, digits, _ and -", required: true, autoComplete: "off" } as const;
  return (
    <Form title="Register an agent" verb="Register" error={act.error} pending={act.isPending} onSubmit={() => act.mutate()} onClose={onClose}>
      <p>For an agent that runs elsewhere: it sends heartbeats with a key of the API, and calls models with <Link to="/settings">a virtual key</Link> of the same pack and agent. What an installed pack declares is registered already.</p>
      <div className="grid gap-4 sm:grid-cols-2">
        <div><label className="label" htmlFor="agent-pack">Pack</label><input id="agent-pack" className="field" {...token} value={name.pack} onChange={(event) => setName({ ...name, pack: event.target.value })} /></div>
        <div><label className="label" htmlFor="agent-name">Agent</label><input id="agent-name" className="field" {...token} value={name.agent} onChange={(event) => setName({ ...name, agent: event.target.value })} /></div>
      </div>
      <TermFields terms={terms} onChange={setTerms} external />
    </Form>
  );
}

/** What is said of it. Somebody else's change in between is refused, not overwritten. */
export function Edit({ agent, onClose }: { agent: Agent; onClose: () => void }) {
  const [read] = useState(agent);
  const [terms, setTerms] = useState<Terms>({ description: read.description, labels: labelLines(read.labels), silence: String(read.silent_after_s) });
  const act = useAct(
    () => sent(api.PATCH("/api/v1/agents/{pack}/{agent}", { params: { ...pathOf(read), header: { "if-match": `"r${read.revision}"` } }, body: bodyOf(terms) })), `${read.id} is changed`, onClose,
  );
  return (
    <Form title={`Edit ${read.id}`} verb="Save" error={act.error} pending={act.isPending} onSubmit={() => act.mutate()} onClose={onClose}>
      <TermFields terms={terms} onChange={setTerms} external={read.kind === "external"} />
    </Form>
  );
}

export function Unregister({ agent, onClose }: { agent: Agent; onClose: () => void }) {
  const [read] = useState(agent);
  const [reason, setReason] = useState("");
  const act = useAct(
    () => sent(api.DELETE("/api/v1/agents/{pack}/{agent}", { params: { ...pathOf(read), query: { reason: reason.trim() }, header: { "if-match": `"r${read.revision}"` } } })), `${read.id} is unregistered`, onClose,
  );
  return (
    <Form title={`Unregister ${read.id}?`} verb="Unregister" stop error={act.error} pending={act.isPending} onSubmit={() => act.mutate()} onClose={onClose}>
      <p>It gets no task any more and its calls are refused; what runs may finish. Registering it again takes that back.</p>
      <div><label className="label" htmlFor="unregister-reason">Why? It stands in the log.</label><input id="unregister-reason" className="field" required minLength={3} maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} /></div>
    </Form>
  );
}
