import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { api, item, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { TaskDetail } from "../../api/rows";
import { Fault, Loading } from "../../parts/Fault";
import { count, tail, usd } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Facts, Page, Panel } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { useKeys } from "../../shell/keys";
import { toast } from "../../shell/Toasts";
import { Cancel } from "./Cancel";
import { SpanPanel } from "./SpanPanel";
import { rows, type Span } from "./spans";
import { Waterfall } from "./Waterfall";
import { took } from "./words";

/** A timeline comes in parts of at most ten thousand events; most tasks are one part. */
async function wholeTimeline(task: string): Promise<Span[]> {
  const found = new Map<string, Span>();
  let after = 0;
  for (;;) {
    const { spans, next_cursor } = await sent(api.GET("/api/v1/tasks/{task}/timeline", { params: { path: { task }, query: { after } } }));
    for (const span of spans) if (!found.has(span.id)) found.set(span.id, span);
    if (next_cursor === null) return [...found.values()];
    after = next_cursor;
  }
}

export function TaskPage() {
  const { task } = useParams({ from: "/app/tasks/$task" });
  const [open, setOpen] = useState<string | null>(null);
  const [cancelling, setCancelling] = useState(false);
  const navigate = useNavigate();
  const answer = useQuery({ queryKey: ["task", task], queryFn: () => item<TaskDetail>(api.GET("/api/v1/tasks/{task}", { params: { path: { task } } })) });
  const timeline = useQuery({ queryKey: ["task", task, "timeline"], queryFn: () => wholeTimeline(task) });
  const steps = useMemo(() => rows(timeline.data ?? []), [timeline.data]);
  const shown = steps.find((each) => each.span.id === open);
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
          <Panel title="Timeline" actions={timeline.data !== undefined && <span className="text-sm text-ink-3">{count(steps.length)} steps; <span className="kbd">j</span> <span className="kbd">k</span> <span className="kbd">Enter</span></span>}>
            {timeline.error !== null && <Fault error={timeline.error} />}
            {timeline.isPending ? <Loading what="the timeline" /> : <Waterfall rows={steps} open={open} onOpen={(id) => setOpen(id === open ? null : id)} />}
          </Panel>
          {shown !== undefined && <SpanPanel key={shown.span.id} task={task} row={shown} onReplay={over ? (from) => retry.mutate(from) : null} />}
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
