import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { Approval } from "../../api/rows";
import { useInView, step } from "../../parts/cursor";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { tail } from "../../parts/format";
import { Fresh } from "../../parts/Fresh";
import { Page } from "../../parts/Page";
import { useSteady } from "../../parts/steady";
import { Time, useNow } from "../../parts/Time";
import { useSession } from "../../session/session";
import { useKeys } from "../../shell/keys";
import { toast } from "../../shell/Toasts";
import { Delegate, useDelegations } from "./Delegate";
import { Detail } from "./Detail";
import { useNotifications } from "./notify";
import { useNames } from "../../shell/people";
import { type ApprovalState, useApprovals } from "./queries";
import { RiskBadge } from "./Risk";

const STATES: ApprovalState[] = ["pending", "approved", "rejected", "expired", "cancelled"];

type Outcome = "approved" | "rejected";

/** The inbox: one list, one decision at a time, or many alike at once; the keyboard alone is enough. */
export function Inbox() {
  const [state, setState] = useState<ApprovalState>("pending");
  const [cursor, setCursor] = useState<string | null>(null);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [editing, setEditing] = useState(false);
  const [commenting, setCommenting] = useState(false);
  const [delegating, setDelegating] = useState(false);
  const [delegation, setDelegation] = useState<string | null>(null);
  const client = useQueryClient();
  const answer = useApprovals(state);
  const list = useSteady(answer.isPlaceholderData ? undefined : answer.data?.items, state);
  const ids = list.rows.map((row) => row.id);
  const current = list.rows.find((row) => row.id === cursor) ?? list.rows[0] ?? null;
  const me = useSession().signedIn?.id;
  const { nameOf } = useNames();
  const lent = (useDelegations().data?.items ?? []).filter((each) => each.to === me);
  const notifications = useNotifications();
  const like = current === null ? [] : list.rows.filter((row) => row.state === "pending" && !list.gone.has(row.id) && alike(row, current));
  const inView = useInView(current?.id ?? null);

  const go = (by: number): void => {
    setCursor(step(ids, current?.id ?? null, by));
    setEditing(false);
    setCommenting(false);
  };
  const refresh = () => Promise.all([client.invalidateQueries({ queryKey: ["approvals"] }), client.invalidateQueries({ queryKey: ["approval"] })]);

  const resolve = useMutation({
    mutationFn: ({ row, outcome }: { row: Approval; outcome: Outcome }) =>
      sent(api.POST("/api/v1/approvals/{approval}/resolve", { params: { path: { approval: row.id } }, body: { outcome, digest: row.digest, delegation } })),
    onSuccess: (done, { row, outcome }) => {
      const waits = (done as { state?: string }).state === "pending";
      toast(waits ? `Your answer counts; ${row.target} needs more approvals` : `${row.target} ${outcome}`);
      if (row.id === current?.id) go(ids.at(-1) === row.id ? -1 : 1);
    },
    onError: (error, { row }) => toast(`${row.target} not answered by you: ${told(error)}`, "fail"),
    onSettled: refresh,
  });
  const bulk = useMutation({
    mutationFn: (outcome: Outcome) => {
      const digests = Object.fromEntries(list.rows.filter((row) => marked.has(row.id)).slice(0, 100).map((row) => [row.id, row.digest]));
      return sent(api.POST("/api/v1/approvals/bulk", { body: { outcome, digests, delegation } }));
    },
    onSuccess: (done, outcome) => {
      const refused = done.items.filter((each) => !each.ok);
      const why = refused[0]?.["detail"];
      const taken = done.items.length - refused.length;
      if (taken > 0) toast(`${taken} ${outcome}`);
      if (refused.length > 0) toast(`${refused.length} not: ${typeof why === "string" ? why : "refused"}`, "fail");
      setMarked(new Set());
    },
    onError: (error) => toast(told(error), "fail"),
    onSettled: refresh,
  });

  const decide = (outcome: Outcome): void => {
    // What is being edited is not what would be approved.
    if (editing) return;
    if (marked.size > 0) bulk.mutate(outcome);
    else if (current !== null && current.state === "pending" && !list.gone.has(current.id) && !resolve.isPending) resolve.mutate({ row: current, outcome });
  };
  const mark = (id: string): void => {
    const next = new Set(marked);
    if (!next.delete(id)) next.add(id);
    setMarked(next);
  };

  useKeys({
    j: () => go(1),
    k: () => go(-1),
    ArrowDown: () => go(1),
    ArrowUp: () => go(-1),
    a: () => decide("approved"),
    r: () => decide("rejected"),
    e: () => setEditing(current?.editable === true && current.state === "pending"),
    c: () => setCommenting(current !== null),
    x: () => current !== null && mark(current.id),
    l: () => setMarked(new Set(like.map((row) => row.id))),
    d: () => setDelegating(true),
    n: list.renew,
    Escape: () => {
      setEditing(false);
      setCommenting(false);
      setMarked(new Set());
    },
  });

  const busy = resolve.isPending || bulk.isPending;
  return (
    <Page title="Approvals" lead={<span className="hidden md:inline">Move with <span className="kbd">j</span> <span className="kbd">k</span>, decide with <span className="kbd">a</span> <span className="kbd">r</span>, edit with <span className="kbd">e</span>.</span>}
      actions={<>
        {notifications.possible && <button type="button" className="btn" aria-pressed={notifications.on} onClick={notifications.toggle}>{notifications.on ? "Notifications on" : "Notify me"}</button>}
        <button type="button" className="btn" onClick={() => setDelegating(true)}>Delegate <span className="kbd">d</span></button>
        {lent.length > 0 && (
          <label className="flex items-center gap-2 text-ink-2">Answer with
            <select className="field w-auto" value={delegation ?? ""} onChange={(event) => setDelegation(event.target.value === "" ? null : event.target.value)}>
              <option value="">my own powers</option>
              {lent.map((each) => <option key={each.id} value={each.id}>the powers of {nameOf(each.by.id)}</option>)}
            </select>
          </label>
        )}
        <label className="flex items-center gap-2 text-ink-2">Show
          <select className="field w-auto" value={state} onChange={(event) => {
            setState(event.target.value as ApprovalState);
            setCursor(null);
            setMarked(new Set());
          }}>
            {STATES.map((each) => <option key={each}>{each}</option>)}
          </select>
        </label>
      </>}>
      {delegating && <Delegate onClose={() => setDelegating(false)} />}
      {answer.error !== null && <Fault error={answer.error} />}
      {answer.isPending ? <Loading what="approvals" /> : list.rows.length === 0 ? (
        <div className="panel"><Empty title={state === "pending" ? "Nothing waits for you" : `None ${state}`}>{state === "pending" ? "A call that policy holds appears here the moment it is held." : undefined}</Empty></div>
      ) : (
        <div className="grid items-start gap-4 lg:grid-cols-[minmax(20rem,26rem)_1fr]">
          <div className="panel overflow-hidden">
            <Fresh count={list.fresh} onShow={list.renew} />
            {marked.size > 0 && (
              <div className="flex items-center gap-2 border-b border-line bg-accent-soft px-3 py-2">
                <span className="font-semibold">{marked.size} marked</span>
                <button type="button" className="btn btn-primary ml-auto" disabled={busy} onClick={() => bulk.mutate("approved")}>Approve</button>
                <button type="button" className="btn" disabled={busy} onClick={() => bulk.mutate("rejected")}>Refuse</button>
              </div>
            )}
            <ul aria-label="Approvals" className="max-h-72 overflow-y-auto lg:max-h-[calc(100dvh-11rem)]">
              {list.rows.map((row) => (
                <li key={row.id} ref={row.id === current?.id ? inView : undefined}
                  className={`flex items-start gap-2.5 border-b border-line px-3 py-2.5 last:border-b-0 ${row.id === current?.id ? "bg-accent-soft shadow-[inset_3px_0_0_var(--accent)]" : ""} ${list.gone.has(row.id) ? "opacity-60" : ""}`}>
                  {state === "pending" && <input type="checkbox" className="mt-1 size-4 accent-[var(--accent)]" checked={marked.has(row.id)} onChange={() => mark(row.id)} aria-label={`Mark ${row.target} of ${nameOf(row.requester)}, ${tail(row.id)}`} />}
                  <button type="button" className="min-w-0 flex-1 text-left" aria-current={row.id === current?.id} onClick={() => {
                    setCursor(row.id);
                    setEditing(false);
                  }}>
                    <span className="flex items-center justify-between gap-2"><span className="flex min-w-0 items-center gap-2"><strong className="truncate">{row.target}</strong><RiskBadge level={row.risk.level} /></span><span className="text-sm text-ink-3"><Time at={row.requested_at} /></span></span>
                    <span className="block truncate text-ink-2">{row.task_title ?? subject(row)}</span>
                    <span className="flex gap-3 text-sm text-ink-3"><span className="truncate">{row.pack}/{row.agent} for {nameOf(row.requester)}</span>{list.gone.has(row.id) ? <span>answered</span> : row.state === "pending" && <Due at={row.expires_at} />}</span>
                  </button>
                </li>
              ))}
            </ul>
          </div>
          {current !== null && (
            <Detail key={current.id} row={current} gone={list.gone.has(current.id)} busy={busy} editing={editing} commenting={commenting}
              onApprove={() => resolve.mutate({ row: current, outcome: "approved" })} onRefuse={() => resolve.mutate({ row: current, outcome: "rejected" })}
              onEdit={setEditing} onComment={setCommenting} onChanged={() => void refresh()}
              alike={like.length} onAlike={() => setMarked(new Set(like.map((row) => row.id)))} />
          )}
        </div>
      )}
    </Page>
  );
}

/** Whether two ask for the same: the same act of the same pack, held for the same reasons. */
function alike(one: Approval, other: Approval): boolean {
  return one.pack === other.pack && one.kind === other.kind && one.target === other.target && String(one.reasons) === String(other.reasons);
}

const SOON_MS = 15 * 60_000;

/** When nobody can answer it any more; loud when that is soon. */
function Due({ at }: { at: string | null }) {
  const now = useNow();
  const soon = at !== null && Date.parse(at) - now < SOON_MS;
  return at === null ? null : <span className={`shrink-0 ${soon ? "font-semibold text-wait" : ""}`}>due <Time at={at} /></span>;
}

/** What it is about, in a line: the longest text of what will be done. */
function subject(row: Approval): string {
  const effect = row.preview?.["arguments"];
  if (typeof effect === "object" && effect !== null) {
    const texts = Object.values(effect).filter((value): value is string => typeof value === "string");
    const longest = texts.sort((one, other) => other.length - one.length)[0];
    if (longest !== undefined) return longest;
  }
  return row.summary;
}

