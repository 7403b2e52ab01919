import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { tail } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { Panel } from "../../parts/Page";
import { Badge } from "../../parts/Status";
import { Time, useNow } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { toast } from "../../shell/Toasts";
import { MakeKey } from "./MakeKey";

type Key = components["schemas"]["KeyItem"];

/** Keys of the API and of the governed endpoint: made, seen, revoked. */
export function Keys() {
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [ended, showEnded] = useState(false);
  const now = useNow();
  const client = useQueryClient();
  const keys = useQuery({ queryKey: ["keys"], queryFn: () => sent(api.GET("/api/v1/keys")) });
  const revoke = useMutation({
    mutationFn: (key: Key) => sent(api.DELETE("/api/v1/keys/{key}", { params: { path: { key: key.id } } })),
    onSuccess: (key) => toast(`${key.name} is revoked`),
    onError: (error) => toast(told(error), "fail"),
    onSettled: () => {
      setRevoking(null);
      void client.invalidateQueries({ queryKey: ["keys"] });
    },
  });
  const all = keys.data?.items ?? [];
  const expiry = (key: Key): string | null => key.expires_at ?? (key.virtual?.["expires_at"]) ?? null;
  const over = (key: Key): boolean => key.revoked_at != null || (expiry(key) !== null && Date.parse(expiry(key) ?? "") <= now);
  const shown = all.filter((key) => ended || !over(key)).sort((one, other) => other.created_at.localeCompare(one.created_at));
  return (
    <>
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
      <Panel title="API and virtual keys" actions={<span className="flex items-center gap-3">
        {all.some(over) && <label className="flex items-center gap-1.5 text-sm text-ink-2"><input type="checkbox" className="size-4 accent-[var(--accent)]" checked={ended} onChange={(event) => showEnded(event.target.checked)} />ended ones too</label>}
        <button type="button" className="btn btn-primary" onClick={() => setMaking(true)}>New key</button>
      </span>}>
        {keys.error !== null && <Fault error={keys.error} onRetry={keys.refetch} />}
        {keys.isPending ? <Loading what="keys" /> : shown.length === 0 ? <Empty title="No key works">Make one for a program that is to use the API, or a virtual one for a client of the governed endpoint.</Empty> : (
          <Wide label="Keys">
            <table className="grid-table">
              <thead><tr><th>Name</th><th>May</th><th>Last used</th><th>Expires</th><th>Made</th><th>State</th><th><span className="sr-only">Acts</span></th></tr></thead>
              <tbody>
                {shown.map((key) => (
                  <tr key={key.id}>
                    <td className="min-w-40"><strong>{key.name}</strong><span className="block font-mono text-sm text-ink-3" title={key.id}>{tail(key.id)}</span></td>
                    <td className="min-w-48"><May virtual={key.virtual ?? null} roles={key.roles} scopes={key.scopes ?? null} /></td>
                    <td>{key.virtual != null ? <span className="text-ink-3">see Cost, by API key</span> : key.used_at == null ? <span className="text-ink-3">never</span> : <Time at={key.used_at} />}</td>
                    <td>{expiry(key) === null ? <span className="text-ink-3">never</span> : <Time at={expiry(key)} />}</td>
                    <td><Time at={key.created_at} /><span className="block text-sm text-ink-3">by {key.created_by}</span></td>
                    <td>{key.revoked_at != null ? <Badge tone="idle">revoked</Badge> : over(key) ? <Badge tone="idle">expired</Badge> : <Badge tone="done">works</Badge>}</td>
                    <td className="num">{key.revoked_at == null && <button type="button" className="btn" aria-label={`Revoke ${key.name}`} onClick={() => setRevoking(key)}>Revoke</button>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </Panel>
    </>
  );
}

function May({ virtual, roles, scopes }: { virtual: Record<string, unknown> | null; roles: string[]; scopes: string[] | null }) {
  if (virtual === null) return <>{roles.join(", ")}{scopes !== null && <span className="block text-sm text-ink-2">only {scopes.join(", ")}</span>}</>;
  const models = Array.isArray(virtual["models"]) ? virtual["models"].map(String) : [];
  return <>call {models.length === 0 ? "every model" : models.join(", ")}<span className="block text-sm text-ink-2">as {String(virtual["pack"])}/{String(virtual["agent"])}, through the governed endpoint</span></>;
}
