import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { api, item, page, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { EventRow, TaskDetail } from "../../api/rows";
import { Fault, Loading } from "../../parts/Fault";
import { count, tail, usd } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Facts, Page, Panel } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { useKeys } from "../../shell/keys";
import { toast } from "../../shell/Toasts";
import { took } from "../Tasks";
import { Cancel } from "./Cancel";
import { Reveal } from "./Reveal";
import { sealed, spans } from "./spans";
import { Waterfall } from "./Waterfall";

/** The gateway gives 200 events a time; a task of five thousand takes 25 of them. */
async function allEvents(task: string): Promise<EventRow[]> {
  const events: EventRow[] = [];
  let after = 0;
  for (;;) {
    const { items, next_cursor: next } = await page<EventRow>(api.GET("/api/v1/tasks/{task}/events", { params: { path: { task }, query: { after, limit: 200 } } }));
    events.push(...items);
    if (next === null || items.length === 0) return events;
    after = Number(next);
  }
}

export function TaskPage() {
  const { task } = useParams({ from: "/app/tasks/$task" });
  const [open, setOpen] = useState<string | null>(null);
  const [cancelling, setCancelling] = useState(false);
  const navigate = useNavigate();
  const answer = useQuery({ queryKey: ["task", task], queryFn: () => item<TaskDetail>(api.GET("/api/v1/tasks/{task}", { params: { path: { task } } })) });
  const events = useQuery({ queryKey: ["task", task, "events"], queryFn: () => allEvents(task) });
  const rows = useMemo(() => spans(events.data ?? []), [events.data]);
  const shown = rows.find((span) => span.id === open);
  const retry = useMutation({
    mutationFn: (from_step: number | null) => sent(api.POST("/api/v1/tasks/{task}/retry", { params: { path: { task } }, body: { from_step } })),
    onSuccess: () => toast("Another attempt was asked for"),
    onError: (error) => toast(told(error), "fail"),
  });
  useKeys({ Escape: () => (open === null ? void navigate({ to: "/tasks", search: {} }) : setOpen(null)) });

  if (answer.error !== null) return <Page title="Task"><Fault error={answer.error} /></Page>;
  if (answer.data === undefined) return <Loading what="the task" />;
  const row = answer.data;
  const over = row.state === "settled";
  return (
    <Page title={row.type} lead={<span className="flex flex-wrap items-center gap-x-3"><Status state={row.outcome ?? row.state} /><span className="font-mono text-sm break-all">{row.id}</span></span>}
      actions={<>
        {(over || row.state === "parked") && <button type="button" className="btn" disabled={retry.isPending} onClick={() => retry.mutate(null)}>Retry</button>}
        {!over && <button type="button" className="btn" onClick={() => setCancelling(true)}>Cancel task</button>}
      </>}>
      {cancelling && <Cancel task={task} onClose={() => setCancelling(false)} />}
      <div className="grid items-start gap-4 xl:grid-cols-[1fr_22rem]">
        <div className="min-w-0 space-y-4">
          <Panel title="Timeline">
            {events.error !== null && <Fault error={events.error} />}
            {events.isPending ? <Loading what="the timeline" /> : <Waterfall spans={rows} open={open} onOpen={(id) => setOpen(id === open ? null : id)} />}
          </Panel>
          {shown !== undefined && (
            <Panel title={`${shown.title}: ${count(shown.events.length)} ${shown.events.length === 1 ? "event" : "events"}`}>
              <ol>
                {shown.events.map((event) => <EventItem key={event.seq} event={event} onReplay={over ? (from) => retry.mutate(from) : null} />)}
              </ol>
            </Panel>
          )}
        </div>
        <div className="space-y-4">
          <Panel title="Task">
            <div className="p-4">
              <Facts rows={[
                ["Pack", row.pack === null ? "–" : `${row.pack}/${row.agent ?? ""} ${row.version ?? ""}`], ["For", <span key="for" title={row.requester}>{tail(row.requester)}</span>], ["Priority", row.priority],
                ["Attempt", `${row.attempt} of ${row.max_attempts}`], ["Submitted", <Time key="s" at={row.submitted_at} />], ["Took", took(row)],
                ["Model calls", count(row.calls.filter((call) => call.kind === "model").length)], ["Tool calls", count(row.calls.filter((call) => call.kind === "tool").length)],
                ["Tokens", `${count(row.input_tokens)} in, ${count(row.output_tokens)} out`],
                ["Cost", row.simulated_calls > 0 ? `${usd(row.cost_usd)}, simulated` : usd(row.cost_usd)],
                ...Object.entries(row.labels ?? {}),
              ]} />
              {row.fault_message !== null && <p className="mt-3 rounded-md bg-[var(--fail-soft)] p-2 text-fail">{row.fault_message}</p>}
            </div>
          </Panel>
          {row.approvals.some((each) => each.state === "pending") && <Panel title="Waits for a person"><p className="p-4"><Link to="/approvals">Decide in the inbox</Link></p></Panel>}
          {row.result_state !== "none" && (
            <Panel title="Result"><div className="p-4">{row.result_state === "opened" ? <Json value={row.result} label="Result" /> : row.result_state === "erased" ? "Its data were erased." : "Sealed: for whoever asked, operators and admins."}</div></Panel>
          )}
        </div>
      </div>
    </Page>
  );
}

function EventItem({ event, onReplay }: { event: EventRow; onReplay: ((step: number) => void) | null }) {
  const fields = sealed(event.data);
  const step = stepOf(event);
  return (
    <li className="border-b border-line px-4 py-2.5 last:border-b-0">
      <details>
        <summary className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
          <strong className="font-mono text-sm">{event.type}</strong>
          <Time at={event.time} />
          {fields.length > 0 && <span className="text-sm text-hold">sealed: {fields.join(", ")}</span>}
          <span className="ml-auto font-mono text-sm text-ink-3">#{event.seq}</span>
        </summary>
        <div className="mt-2.5 space-y-2.5">
          {fields.length > 0 && <Reveal event={event} fields={fields} />}
          <Json value={event.data} label={`Event ${event.seq}`} />
          {onReplay !== null && step !== null && <button type="button" className="btn" onClick={() => onReplay(step)}>Replay from step {step}</button>}
        </div>
      </details>
    </li>
  );
}

function stepOf(event: EventRow): number | null {
  if (!event.type.endsWith(".requested") || typeof event.data !== "object" || event.data === null || !("context" in event.data)) return null;
  const { context } = event.data;
  return typeof context === "object" && context !== null && "step" in context && typeof context.step === "number" ? context.step : null;
}
