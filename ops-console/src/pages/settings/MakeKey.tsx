import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Fault } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";

type NewKey = components["schemas"]["NewKey"];
const ROLES = { admin: "everything", operator: "run, stop and retry", approver: "decide what is held", author: "publish rules", viewer: "look only" } as const;
type Role = keyof typeof ROLES;
const LIVES = { never: null, "1 day": 1, "30 days": 30, "90 days": 90, "1 year": 365 } as const;
type Life = keyof typeof LIVES;

/** A key is shown once, here. */
export function MakeKey({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<"api" | "virtual">("api");
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<ReadonlySet<Role>>(new Set(["viewer"]));
  const [scopes, setScopes] = useState("");
  const [pack, setPack] = useState("");
  const [models, setModels] = useState("");
  const [limit, setLimit] = useState("");
  const [life, setLife] = useState<Life>("90 days");
  const client = useQueryClient();
  const make = useMutation({
    mutationFn: (body: NewKey) => sent(api.POST("/api/v1/keys", { body })),
    onSettled: () => client.invalidateQueries({ queryKey: ["keys"] }),
  });
  const words = (text: string): string[] => text.split(/[\s,]+/).filter((each) => each !== "");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const days = LIVES[life];
    const expires_at = days === null ? null : new Date(Date.now() + days * 86_400_000).toISOString();
    const one = { name: name.trim() };
    make.mutate((kind === "api"
      ? { ...one, roles: [...roles], scopes: words(scopes).length === 0 ? null : words(scopes), expires_at }
      : { ...one, virtual: { pack: pack.trim(), models: words(models), expires_at, budgets: limit === "" ? [] : [{ metric: "usd", limit, window: "month", mode: "hard" }] } }) as NewKey);
  };
  const toggle = (role: Role): void => {
    const next = new Set(roles);
    if (!next.delete(role)) next.add(role);
    setRoles(next);
  };
  if (make.data !== undefined) return <Modal title={`The key of ${make.data.name}`} onClose={onClose}><Shown secret={make.data.key} onClose={onClose} /></Modal>;
  return (
    <Modal title="New key" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <fieldset>
          <legend className="label">What for?</legend>
          <div className="grid gap-2 sm:grid-cols-2">
            <Choice checked={kind === "api"} onChange={() => setKind("api")} title="The API">For programs that ask for work, decide or look.</Choice>
            <Choice checked={kind === "virtual"} onChange={() => setKind("virtual")} title="The governed endpoint">A virtual key: for clients that call models.</Choice>
          </div>
        </fieldset>
        <div><label className="label" htmlFor="key-name">Who or what will use it?</label><input id="key-name" className="field" required maxLength={100} value={name} onChange={(event) => setName(event.target.value)} /></div>
        {kind === "api" ? <>
          <fieldset><legend className="label">What may it do?</legend>
            <div className="grid gap-1.5 sm:grid-cols-2">{(Object.keys(ROLES) as Role[]).map((role) => <label key={role} className="flex items-center gap-2"><input type="checkbox" className="size-4 accent-[var(--accent)]" checked={roles.has(role)} onChange={() => toggle(role)} /><span>{role} <span className="text-sm text-ink-3">{ROLES[role]}</span></span></label>)}</div>
          </fieldset>
          <div><label className="label" htmlFor="key-scopes">Of that only (scopes; all when empty)</label><input id="key-scopes" className="field" placeholder="tasks.submit, tasks.read" value={scopes} onChange={(event) => setScopes(event.target.value)} /></div>
        </> : <>
          <div><label className="label" htmlFor="key-pack">Its calls count as this pack&apos;s</label><input id="key-pack" className="field" required maxLength={128} value={pack} onChange={(event) => setPack(event.target.value)} /></div>
          <div><label className="label" htmlFor="key-models">Models (every one when empty)</label><input id="key-models" className="field" placeholder="default, openai/gpt-5-mini" value={models} onChange={(event) => setModels(event.target.value)} /></div>
          <div><label className="label" htmlFor="key-limit">US dollars a month, at most (no limit when empty)</label><input id="key-limit" className="field" inputMode="decimal" pattern="\d{1,9}(\.\d{1,6})?" value={limit} onChange={(event) => setLimit(event.target.value)} /></div>
        </>}
        <div><label className="label" htmlFor="key-life">Ends by itself after</label><select id="key-life" className="field" value={life} onChange={(event) => setLife(event.target.value as Life)}>{Object.keys(LIVES).map((each) => <option key={each}>{each}</option>)}</select></div>
        {make.error !== null && <Fault error={make.error} />}
        <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn btn-primary" disabled={make.isPending || (kind === "api" && roles.size === 0)}>Make key</button></div>
      </form>
    </Modal>
  );
}

function Choice({ checked, onChange, title, children }: { checked: boolean; onChange: () => void; title: string; children: string }) {
  return (
    <label className={`cursor-pointer rounded-md border p-2.5 has-focus-visible:outline-2 has-focus-visible:outline-accent ${checked ? "border-accent bg-accent-soft" : "border-[var(--line-strong)]"}`}>
      <input type="radio" name="key-kind" className="sr-only" checked={checked} onChange={onChange} />
      <span className="font-semibold">{title}</span><span className="block text-sm text-ink-2">{children}</span>
    </label>
  );
}

function Shown({ secret, onClose }: { secret: string; onClose: () => void }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className="space-y-4">
      <p>Copy it now: it cannot be shown again.</p>
      <div className="flex gap-2">
        <input className="field font-mono" readOnly aria-label="The new key" value={secret} onFocus={(event) => event.target.select()} />
        {/* Where the page is not served over https the browser has no clipboard for it: then it is selected and copied by hand. */}
        {"clipboard" in navigator && <button type="button" className="btn" onClick={() => void navigator.clipboard.writeText(secret).then(() => setCopied(true), () => setCopied(false))}>{copied ? "Copied" : "Copy"}</button>}
      </div>
      <div className="flex justify-end"><button type="button" className="btn btn-primary" onClick={onClose}>Done</button></div>
    </div>
  );
}
