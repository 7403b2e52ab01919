import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { api, item, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { TaskDetail } from "../../api/rows";
import type { components } from "../../api/schema";
import { Fault, Loading } from "../../parts/Fault";
import { count, usd } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Facts, Page, Panel } from "../../parts/Page";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { useMay } from "../../session/may";
import { useKeys } from "../../shell/keys";
import { useNames } from "../../shell/people";
import { toast } from "../../shell/Toasts";
import { Cancel } from "./Cancel";
import { Edit } from "./Edit";
import { Log } from "./Log";
import { SpanPanel } from "./SpanPanel";
import { rows, type Span } from "./spans";
import { Waterfall } from "./Waterfall";
import { titleOf, took } from "./words";

/** A timeline comes in parts of at most ten thousand events; most tasks are one part. */
async function wholeTimeline(task: string): Promise<Span[]> {
  const found = new Map<string, Span>();
  let cursor: string | null = null;
  for (;;) {
    const part: components["schemas"]["Timeline"] = await sent(api.GET("/api/v1/tasks/{task}/timeline", { params: { path: { task }, query: cursor === null ? {} : { cursor } } }));
    for (const span of part.spans) if (!found.has(span.id)) found.set(span.id, span);
    if (part.next_cursor === null) return [...found.values()];
    cursor = part.next_cursor;
  }
}

export function TaskPage() {
  const { task } = useParams({ from: "/app/tasks/$task" });
  const [open, setOpen] = useState<string | null>(null);
  const [asking, setAsking] = useState<"cancel" | "edit" | null>(null);
  const mayEdit = useMay("tasks.update");
  const navigate = useNavigate();
  const { nameOf } = useNames();
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
    <Page title={titleOf(row) ?? row.type} lead={<span className="flex flex-wrap items-center gap-x-3"><Status state={row.outcome ?? row.state} />{titleOf(row) !== null && <span>{row.type}</span>}<span className="font-mono text-sm break-all">{row.id}</span></span>}
      actions={<>
        {(over || row.state === "parked") && <button type="button" className="btn" disabled={retry.isPending} onClick={() => retry.mutate(null)}>Retry</button>}
        {!over && mayEdit && <button type="button" className="btn" onClick={() => setAsking("edit")}>Edit</button>}
        {!over && <button type="button" className="btn" onClick={() => setAsking("cancel")}>Cancel task</button>}
      </>}>
      {asking === "cancel" && <Cancel task={task} onClose={() => setAsking(null)} />}
      {asking === "edit" && <Edit task={row} onClose={() => setAsking(null)} />}
      <div className="grid items-start gap-4 xl:grid-cols-[1fr_22rem]">
        <div className="min-w-0 space-y-4">
          <Panel title="Timeline" actions={timeline.data !== undefined && <span className="text-sm text-ink-3">{count(steps.length)} steps; <span className="kbd">j</span> <span className="kbd">k</span> <span className="kbd">Enter</span></span>}>
            {timeline.error !== null && <Fault error={timeline.error} />}
            {timeline.isPending ? <Loading what="the timeline" /> : <Waterfall rows={steps} open={open} onOpen={(id) => setOpen(id === open ? null : id)} />}
          </Panel>
          {shown !== undefined && <SpanPanel key={shown.span.id} task={task} row={shown} onReplay={over ? (from) => retry.mutate(from) : null} />}
          <Log task={task} />
        </div>
        <div className="space-y-4">
          <Panel title="Task">
            <div className="p-4">
              <Facts rows={[
                ["Pack", row.pack === null ? "–" : `${row.pack}/${row.agent ?? ""} ${row.version ?? ""}`], ["For", <span key="for" title={row.requester}>{nameOf(row.requester)}</span>], ["Priority", row.priority],
                ["Attempt", `${row.attempt} of ${row.max_attempts}`], ["Submitted", <Time key="s" at={row.submitted_at} />], ...(row.deadline === null ? [] : [["Due", <Time key="d" at={row.deadline} />] as [string, React.ReactNode]]), ["Took", took(row)],
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
