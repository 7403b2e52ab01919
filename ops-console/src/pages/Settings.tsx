import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, page, sent } from "../api/client";
import { told } from "../api/problem";
import type { components } from "../api/schema";
import { Fault, Loading } from "../parts/Fault";
import { Modal } from "../parts/Modal";
import { Page, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { Wide } from "../parts/Wide";
import { toast } from "../shell/Toasts";
import { Sections } from "./settings/Sections";

type Key = components["schemas"]["KeyItem"];
const ROLES = ["admin", "operator", "approver", "author", "viewer"] as const;
type Role = (typeof ROLES)[number];

export function Settings() {
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const client = useQueryClient();
  const keys = useQuery({ queryKey: ["keys"], queryFn: () => page<Key>(api.GET("/api/v1/keys")) });
  const revoke = useMutation({
    mutationFn: (key: Key) => sent(api.DELETE("/api/v1/keys/{key}", { params: { path: { key: key.id } } })),
    onSuccess: (key) => toast(`${key.name} is revoked`),
    onError: (error) => toast(told(error), "fail"),
    onSettled: () => {
      setRevoking(null);
      void client.invalidateQueries({ queryKey: ["keys"] });
    },
  });
  return (
    <Page title="Settings">
      <Sections />
      {making && <MakeKey onClose={() => setMaking(false)} />}
      {revoking !== null && (
        <Modal title={`Revoke ${revoking.name}?`} onClose={() => setRevoking(null)}>
          <p>Whoever uses it is refused from this moment on. It cannot be taken back.</p>
          <div className="mt-5 flex justify-end gap-2">
            <button type="button" className="btn" onClick={() => setRevoking(null)}>Keep it</button>
            <button type="button" className="btn btn-stop" disabled={revoke.isPending} onClick={() => revoke.mutate(revoking)}>Revoke</button>
          </div>
        </Modal>
      )}
      <Panel title="API and virtual keys" actions={<button type="button" className="btn btn-primary" onClick={() => setMaking(true)}>New key</button>}>
        {keys.error !== null && <Fault error={keys.error} />}
        {keys.isPending ? <Loading what="keys" /> : (
          <Wide label="Keys">
            <table className="grid-table">
              <thead><tr><th>Name</th><th>Id</th><th>Kind</th><th>Roles</th><th>Made</th><th>State</th><th><span className="sr-only">Acts</span></th></tr></thead>
              <tbody>
                {keys.data?.items.map((key) => (
                  <tr key={key.id}>
                    <td className="font-medium">{key.name}</td><td className="font-mono text-sm">{key.id}</td><td>{key.virtual == null ? "API" : "virtual"}</td><td>{key.roles.join(", ") || "–"}</td>
                    <td><Time at={key.created_at} /> by {key.created_by}</td><td><Status state={key.revoked_at == null ? "live" : "revoked"} /></td>
                    <td className="num">{key.revoked_at == null && <button type="button" className="btn" onClick={() => setRevoking(key)}>Revoke</button>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </Panel>
    </Page>
  );
}

function MakeKey({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<ReadonlySet<Role>>(new Set(["viewer"]));
  const client = useQueryClient();
  const make = useMutation({
    mutationFn: () => sent(api.POST("/api/v1/keys", { body: { name: name.trim(), roles: [...roles] } })),
    onSettled: () => client.invalidateQueries({ queryKey: ["keys"] }),
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    make.mutate();
  };
  const toggle = (role: Role): void => {
    const next = new Set(roles);
    if (!next.delete(role)) next.add(role);
    setRoles(next);
  };
  return (
    <Modal title="New API key" onClose={onClose}>
      {make.data !== undefined ? (
        <div className="space-y-4">
          <p>Copy it now: it cannot be shown again.</p>
          <input className="field font-mono" readOnly aria-label="The new key" value={make.data.key} onFocus={(event) => event.target.select()} />
          <div className="flex justify-end"><button type="button" className="btn btn-primary" onClick={onClose}>Done</button></div>
        </div>
      ) : (
        <form onSubmit={submit} className="space-y-4">
          <div><label className="label" htmlFor="key-name">Who or what will use it?</label><input id="key-name" className="field" required maxLength={100} value={name} onChange={(event) => setName(event.target.value)} /></div>
          <fieldset><legend className="label">What may it do?</legend>
            <div className="flex flex-wrap gap-4">{ROLES.map((role) => <label key={role} className="flex items-center gap-1.5"><input type="checkbox" className="size-4 accent-[var(--accent)]" checked={roles.has(role)} onChange={() => toggle(role)} />{role}</label>)}</div>
          </fieldset>
          {make.error !== null && <Fault error={make.error} />}
          <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn btn-primary" disabled={make.isPending || roles.size === 0}>Make key</button></div>
        </form>
      )}
    </Modal>
  );
}
