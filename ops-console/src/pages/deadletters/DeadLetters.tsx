import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { count } from "../../parts/format";
import { Page, Panel } from "../../parts/Page";
import { Badge, type Tone } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { toast } from "../../shell/Toasts";
import { Discard } from "./Discard";
import { Letter } from "./Letter";

export type DeadLetter = components["schemas"]["DeadLetterRow"];
type State = DeadLetter["state"];
const STATES: Record<State, [Tone, string]> = { open: ["fail", "open"], retried: ["done", "tried again"], discarded: ["idle", "discarded"] };

/** Messages that a service could not take: looked at, tried again, or discarded for a reason, also several at once. */
export function DeadLetters() {
  const [state, setState] = useState<State | "">("open");
  const [open, setOpen] = useState<string | null>(null);
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const [discarding, setDiscarding] = useState<string[] | null>(null);
  const client = useQueryClient();
  const answer = useInfiniteQuery({
    queryKey: ["deadletters", state], placeholderData: keepPreviousData, initialPageParam: null as string | null, refetchInterval: 5_000,
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/deadletters", { params: { query: { limit: 100, ...(state === "" ? {} : { state }), ...(pageParam === null ? {} : { cursor: pageParam }) } } })),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = answer.data?.pages.flatMap((each) => each.items) ?? [];
  const waiting = rows.filter((each) => each.state === "open");
  const marked = waiting.filter((each) => chosen.has(each.id)).map((each) => each.id);
  const retry = useMutation({
    mutationFn: async (ids: string[]) => {
      for (const id of ids) await sent(api.POST("/api/v1/deadletters/{letter}/retry", { params: { path: { letter: Number(id) } } }));
    },
    onSuccess: (_, ids) => toast(ids.length === 1 ? "The message is tried again" : `${count(ids.length)} messages are tried again`),
    onError: (error) => toast(told(error), "fail"),
    onSettled: () => {
      choose(new Set());
      void client.invalidateQueries({ queryKey: ["deadletters"] });
    },
  });
  const toggle = (id: string): void => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  return (
    <Page title="Dead letters" lead="Messages that a service could not take, however often it tried."
      actions={<select className="field w-auto" aria-label="State" value={state} onChange={(event) => setState(event.target.value as State | "")}><option value="open">open</option><option value="retried">tried again</option><option value="discarded">discarded</option><option value="">all</option></select>}>
      {discarding !== null && <Discard ids={discarding} onClose={() => setDiscarding(null)} onDone={() => choose(new Set())} />}
      {open !== null && <Letter id={open} onClose={() => setOpen(null)} onRetry={(id) => retry.mutate([id])} onDiscard={(id) => setDiscarding([id])} />}
      {answer.error !== null && <div className="mb-4"><Fault error={answer.error} onRetry={answer.refetch} /></div>}
      <Panel title={state === "open" ? "Wait for a decision" : "Dead letters"} actions={marked.length === 0 ? undefined : <span className="flex items-center gap-2">
        <span className="text-sm text-ink-2">{count(marked.length)} marked</span>
        <button type="button" className="btn" disabled={retry.isPending} onClick={() => retry.mutate(marked)}>Try again</button>
        <button type="button" className="btn" onClick={() => setDiscarding(marked)}>Discard…</button>
      </span>}>
        {answer.isPending ? <Loading what="dead letters" /> : rows.length === 0 ? <Empty title={state === "open" ? "Nothing waits here" : "There is none"}>{state === "open" ? "Every message was taken. One that cannot be is put here instead of being lost." : "Choose another state."}</Empty> : (
          <Wide label="Table of dead letters">
            <table className="grid-table">
              <thead><tr>
                <th>{waiting.length > 0 ? <input type="checkbox" className="size-4 accent-[var(--accent)]" aria-label="Mark all" checked={marked.length === waiting.length} onChange={() => choose(marked.length === waiting.length ? new Set() : new Set(waiting.map((each) => each.id)))} /> : <span className="sr-only">Mark</span>}</th>
                <th>Why</th><th>Service</th><th>Message</th><th className="num">Tries</th><th>Given up</th><th>State</th>
              </tr></thead>
              <tbody>
                {rows.map((each) => (
                  <tr key={each.id}>
                    <td>{each.state === "open" && <input type="checkbox" className="size-4 accent-[var(--accent)]" aria-label={`Mark ${each.code ?? "letter"} ${each.id}`} checked={chosen.has(each.id)} onChange={() => toggle(each.id)} />}</td>
                    <td className="min-w-56"><button type="button" className="text-left font-semibold text-accent underline" onClick={() => setOpen(each.id)}>{each.code ?? "unreadable"}</button><span className="block max-w-prose text-sm text-ink-2">{each.detail}</span></td>
                    <td>{each.service ?? "–"}</td><td className="max-w-80 truncate font-mono text-sm" title={each.subject ?? ""}>{each.subject ?? "–"}</td><td className="num">{count(each.deliveries)}</td>
                    <td><Time at={each.time} /></td>
                    <td><Badge tone={STATES[each.state][0]}>{STATES[each.state][1]}</Badge>{each.reason != null && each.reason !== "" && <span className="block text-sm text-ink-2">{each.reason}</span>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
        {answer.hasNextPage && <div className="border-t border-line p-3 text-center"><button type="button" className="btn" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>Older ones</button></div>}
      </Panel>
    </Page>
  );
}
