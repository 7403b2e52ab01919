import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, page, sent } from "../../api/client";
import { told } from "../../api/problem";
import { useDraft } from "../../parts/drafts";
import { Fault } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import { Time } from "../../parts/Time";
import { useSession } from "../../session/session";
import { toast } from "../../shell/Toasts";
import { useNames } from "../../shell/people";

export interface Lent { id: string; by: { id: string }; to: string; until: string; since: string; reason: string }

export function useDelegations() {
  return useQuery({ queryKey: ["delegations"], queryFn: () => page<Lent>(api.GET("/api/v1/delegations")) });
}

const DAY_MS = 86_400_000;
/** As the browser's date field spells a local time. */
const local = (at: number): string => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** For a while somebody else may answer with your powers; what is lent can be taken back at once. */
export function Delegate({ onClose }: { onClose: () => void }) {
  const { people, nameOf } = useNames();
  const me = useSession().signedIn?.id;
  const lent = useDelegations();
  const client = useQueryClient();
  const [to, setTo] = useState("");
  const [opened] = useState(() => Date.now());
  const [until, setUntil] = useState(() => local(opened + DAY_MS));
  const [reason, setReason, sentIt] = useDraft("delegate");
  const others = people.filter((each) => each.id !== me);
  const renew = () => client.invalidateQueries({ queryKey: ["delegations"] });
  const grant = useMutation({
    mutationFn: () => sent(api.POST("/api/v1/delegations", { body: { to: to.trim(), roles: [], until: new Date(until).toISOString(), reason: reason.trim() } })),
    onSuccess: async () => {
      toast(`${nameOf(to)} may answer with your powers`);
      sentIt();
      await renew();
    },
  });
  const revoke = useMutation({
    mutationFn: (id: string) => sent(api.POST("/api/v1/delegations/{delegation}/revoke", { params: { path: { delegation: id } }, body: { reason: "taken back in the console" } })),
    onSuccess: () => toast("Taken back"),
    onError: (error) => toast(told(error), "fail"),
    onSettled: renew,
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    grant.mutate();
  };
  const mine = (lent.data?.items ?? []).filter((each) => each.by.id === me);
  return (
    <Modal title="Delegate" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <div>
          <label className="label" htmlFor="delegate-to">Who answers for you? A person, or the id of an API key</label>
          <input id="delegate-to" className="field" required list="delegate-people" value={to} onChange={(event) => setTo(event.target.value)} />
          <datalist id="delegate-people">{others.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}</datalist>
        </div>
        <div>
          <label className="label" htmlFor="delegate-until">Until when? At most 90 days</label>
          <input id="delegate-until" type="datetime-local" className="field" required value={until} min={local(opened)} max={local(opened + 90 * DAY_MS)} onChange={(event) => setUntil(event.target.value)} />
        </div>
        <div>
          <label className="label" htmlFor="delegate-reason">Why? It stands in the log.</label>
          <input id="delegate-reason" className="field" required maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
        </div>
        {grant.error !== null && <Fault error={grant.error} />}
        <div className="flex justify-end gap-2">
          <button type="button" className="btn" onClick={onClose}>Close</button>
          <button type="submit" className="btn btn-primary" disabled={grant.isPending}>{grant.isPending ? "Delegating…" : "Delegate"}</button>
        </div>
      </form>
      {mine.length > 0 && (
        <section className="mt-5 border-t border-line pt-4" aria-label="Lent by you">
          <h3 className="mb-2">Lent by you</h3>
          <ul className="space-y-2">
            {mine.map((each) => (
              <li key={each.id} className="flex items-center gap-3">
                <span className="min-w-0 flex-1">{nameOf(each.to)} <span className="text-ink-3">ends <Time at={each.until} />: {each.reason}</span></span>
                <button type="button" className="btn" disabled={revoke.isPending} onClick={() => revoke.mutate(each.id)}>Take back</button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </Modal>
  );
}
