import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../api/client";
import { told } from "../api/problem";
import { useDraft } from "../parts/drafts";
import { Fault } from "../parts/Fault";
import { Modal } from "../parts/Modal";
import { SCOPES, type Scope } from "./kill";
import { useReach, useTargets } from "./reach";

const EXAMPLES: Partial<Record<Scope, string>> = { agent: "pack/agent", provider: "openai", model: "openai/gpt-5", tool: "github.comment", task: "the task's id" };

/** Stop something: what, how, why, and once more yes. */
export function KillDialog({ onClose, scope: given = "global", target: aimed = "" }: { onClose: () => void; scope?: Scope; target?: string }) {
  const [scope, setScope] = useState<Scope>(given);
  const [target, setTarget] = useState(aimed);
  const [mode, setMode] = useState<"halt" | "drain">("halt");
  const [reason, setReason, sentIt] = useDraft("stop");
  const [sure, setSure] = useState(false);
  const navigate = useNavigate();
  const client = useQueryClient();
  const wide = scope === "global" || scope === "tenant";
  const reach = useReach(scope, target);
  const targets = useTargets(scope);

  const engage = useMutation({
    mutationFn: () => sent(api.POST("/api/v1/kill", { body: { scope, target: wide ? "*" : target.trim(), mode, reason: reason.trim() } })),
    onSuccess: async (done) => {
      sentIt();
      await client.invalidateQueries({ queryKey: ["kill"] });
      onClose();
      const id = (done as { switch?: string }).switch ?? done.id;
      await navigate({ to: "/kill", search: { switch: id } });
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (sure) engage.mutate();
    else setSure(true);
  };
  const change = (does: () => void) => {
    setSure(false);
    does();
  };

  return (
    <Modal title="Stop" onClose={onClose} tone="stop">
      <form onSubmit={submit} className="space-y-4">
        <fieldset>
          <legend className="label">What shall stop?</legend>
          <div className="grid grid-cols-4 gap-1.5">
            {SCOPES.map((each) => (
              <label key={each} className={`cursor-pointer rounded-md border px-2 py-1.5 text-center font-medium has-focus-visible:outline-2 has-focus-visible:outline-accent ${scope === each ? "border-[var(--stop)] bg-stop text-stop-ink" : "border-[var(--line-strong)] text-ink-2 hover:text-ink"}`}>
                <input type="radio" name="scope" value={each} checked={scope === each} className="sr-only" onChange={() => change(() => setScope(each))} />
                {each === "global" ? "everything" : each}
              </label>
            ))}
          </div>
        </fieldset>
        {!wide && (
          <div>
            <label className="label" htmlFor="kill-target">Which {scope}?</label>
            <input id="kill-target" className="field" required value={target} list="kill-targets"
              placeholder={EXAMPLES[scope] ?? ""} onChange={(event) => change(() => setTarget(event.target.value))} />
            <datalist id="kill-targets">{targets.map((name) => <option key={name} value={name} />)}</datalist>
          </div>
        )}
        <fieldset>
          <legend className="label">How?</legend>
          <div className="grid gap-2 sm:grid-cols-2">
            <Choice checked={mode === "halt"} onChange={() => change(() => setMode("halt"))} title="Halt">Nothing new starts, and what is in flight is cancelled now.</Choice>
            <Choice checked={mode === "drain"} onChange={() => change(() => setMode("drain"))} title="Drain">Nothing new starts; what is in flight may finish.</Choice>
          </div>
        </fieldset>
        <div>
          <label className="label" htmlFor="kill-reason">Why? It stands in the log.</label>
          <input id="kill-reason" className="field" required maxLength={1000} value={reason} onChange={(event) => change(() => setReason(event.target.value))} />
        </div>
        <p role="status" className="rounded-md bg-[var(--fail-soft)] p-2.5 text-fail">
          {reach.error !== null ? told(reach.error) : (reach.text ?? (wide ? "Counting what will stop…" : `Name the ${scope}, and what will stop is counted here.`))}
        </p>
        {engage.error !== null && <Fault error={engage.error} />}
        <div className="flex items-center justify-end gap-2">
          <button type="button" className="btn" onClick={onClose}>Cancel</button>
          <button type="submit" className="btn btn-stop min-w-44 font-semibold" disabled={engage.isPending}>
            {engage.isPending ? "Stopping…" : sure ? `Yes, ${mode} ${wide ? (scope === "global" ? "everything" : "the tenant") : target || scope}` : "Stop…"}
          </button>
        </div>
      </form>
    </Modal>
  );
}

function Choice({ checked, onChange, title, children }: { checked: boolean; onChange: () => void; title: string; children: string }) {
  return (
    <label className={`cursor-pointer rounded-md border p-2.5 has-focus-visible:outline-2 has-focus-visible:outline-accent ${checked ? "border-accent bg-accent-soft" : "border-[var(--line-strong)]"}`}>
      <input type="radio" name="mode" className="sr-only" checked={checked} onChange={onChange} />
      <span className="font-semibold">{title}</span>
      <span className="block text-sm text-ink-2">{children}</span>
    </label>
  );
}
