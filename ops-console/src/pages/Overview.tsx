import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { api, item, page } from "../api/client";
import type { Costs, Task } from "../api/rows";
import { rates, SERIES } from "../live/rates";
import { Chart } from "../parts/Chart";
import { Empty, Fault } from "../parts/Fault";
import { count, short, usd } from "../parts/format";
import { Page, Panel } from "../parts/Page";
import { Badge, Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { settled, unsettled, usePacks } from "../shell/kill";
import { useNames } from "../shell/people";
import { usePending } from "./approvals/queries";
import { Curves } from "./Curves";
import { about, titleOf, took } from "./task/words";

const LINES = [
  { name: SERIES[0], colour: "--done" },
  { name: SERIES[1], colour: "--run", dash: [6, 3] },
  { name: SERIES[2], colour: "--hold", dash: [2, 3] },
] as const satisfies { name: string; colour: string; dash?: number[] }[];
const readRates = (): number[][] => rates.columns(Date.now());

/** What needs a person first, then what runs, fails and costs. */
export function Overview() {
  const { nameOf } = useNames();
  const pending = usePending();
  const packs = usePacks();
  const failed = useQuery({ queryKey: ["tasks", "failed"], queryFn: () => page<Task>(api.GET("/api/v1/tasks", { params: { query: { outcome: "failed", limit: 6 } } })) });
  const parked = useQuery({ queryKey: ["tasks", "parked"], queryFn: () => page<Task>(api.GET("/api/v1/tasks", { params: { query: { state: "parked", limit: 6 } } })) });
  const recent = useQuery({ queryKey: ["tasks", "recent"], queryFn: () => page<Task>(api.GET("/api/v1/tasks", { params: { query: { limit: 8 } } })) });
  const costs = useQuery({ queryKey: ["costs", "day"], queryFn: () => item<Costs>(api.GET("/api/v1/costs", { params: { query: { by: "day" } } })), refetchInterval: 30_000 });
  const items = packs.data?.items ?? [];
  const held = pending.data?.items ?? [];
  const troubled = [...(parked.data?.items ?? []), ...(failed.data?.items ?? [])];
  const total = costs.data?.total;
  const fault = pending.error ?? packs.error ?? recent.error ?? costs.error;

  return (
    <Page title="Overview">
      {fault !== null && <Fault error={fault} />}
      <div className="grid gap-3 grid-cols-2 lg:grid-cols-5">
        <Figure name="Wait for you" value={pending.data === undefined ? "…" : held.length >= 200 ? "200+" : count(held.length)} to="/approvals" strong={held.length > 0} />
        <Figure name="Not settled" value={packs.data === undefined ? "…" : short(items.reduce((sum, pack) => sum + unsettled(pack), 0))} to="/tasks" />
        <Figure name="Settled" value={packs.data === undefined ? "…" : short(items.reduce((sum, pack) => sum + settled(pack), 0))} to="/tasks" />
        <Figure name="Model calls" value={total === undefined ? "…" : short(total.calls)} to="/cost" note={total !== undefined && total.simulated_attempts > 0 ? `${short(total.simulated_attempts)} simulated` : undefined} />
        <Figure name="Spent" value={total === undefined ? "…" : usd(total.cost_usd)} to="/cost" note={total !== undefined && Number(total.saved_usd) > 0 ? `${usd(total.saved_usd)} saved` : undefined} />
      </div>
      <div className="mt-4 grid items-start gap-4 xl:grid-cols-2">
        <Panel title="Needs a person" actions={<Link to="/approvals">Inbox</Link>}>
          {held.length > 0 && (
            <div className="flex flex-wrap items-center gap-3 border-b border-line bg-[var(--hold-soft)] px-4 py-3">
              <span className="min-w-0 flex-1 font-semibold text-hold">{held.length === 1 ? "One call waits for your yes or no." : `${held.length >= 200 ? "200+" : count(held.length)} calls wait for your yes or no.`}</span>
              <Link to="/approvals" className="btn btn-primary no-underline">Decide now</Link>
            </div>
          )}
          {held.length + troubled.length === 0 ? <Empty title="Nothing needs you">Held calls, and tasks that failed or are parked, come here first.</Empty> : (
            <ul>
              {held.slice(0, 5).map((row) => (
                <Line key={row.id} badge={<Badge tone="hold">held</Badge>} to="/approvals" title={`${row.target} for ${nameOf(row.requester)}`} at={row.requested_at} note={row.task_title ?? row.reasons?.join(", ") ?? ""} />
              ))}
              {troubled.slice(0, 5).map((row) => (
                <Line key={row.id} badge={<Status state={row.outcome ?? row.state} />} to="/tasks/$task" task={row.id} title={titleOf(row) ?? row.type} at={row.updated_at} note={about(row)} />
              ))}
            </ul>
          )}
        </Panel>
        <Panel title="Newest tasks" actions={<Link to="/tasks" search={{}}>All tasks</Link>}>
          {recent.data?.items.length === 0 ? <Empty title="No task yet">Send one through a webhook or the API.</Empty> : (
            <ul>{recent.data?.items.map((row) => <Line key={row.id} badge={<Status state={row.outcome ?? row.state} />} to="/tasks/$task" task={row.id} title={titleOf(row) ?? row.type} at={row.submitted_at} note={about(row) || ended(row)} />)}</ul>
          )}
        </Panel>
        <Panel title="Last five minutes, live">
          <Chart label="Tasks settled, calls settled, and calls denied or held, in each five seconds of the last five minutes" series={LINES} read={readRates} />
        </Panel>
        <Panel title="Packs" actions={<Link to="/packs">Packs</Link>}>
          <ul>
            {items.map((pack) => {
              const active = pack.instances.reduce((sum, each) => sum + each.active, 0);
              return <Line key={pack.name} badge={<Status state={pack.live ? "live" : "gone"} />} to="/packs" title={pack.name} at={pack.instances[0]?.seen_at ?? null}
                note={pack.live ? `${count(pack.instances.length)} ${pack.instances.length === 1 ? "instance" : "instances"}, ${count(active)} active` : "no instance is alive"} />;
            })}
          </ul>
        </Panel>
      </div>
      <Curves />
    </Page>
  );
}

/** Of a task that came to its end: who did it, and how long it took from its submission. */
function ended(task: Task): string {
  return task.settled_at === null ? task.pack ?? "" : `${task.pack ?? "no pack"}, took ${took(task)}`;
}

function Figure({ name, value, to, strong = false, note }: { name: string; value: string; to: "/approvals" | "/tasks" | "/cost"; strong?: boolean; note?: string | undefined }) {
  return (
    <Link to={to} className={`panel block px-4 py-3 text-ink no-underline hover:border-[var(--line-strong)] ${strong ? "border-[var(--hold)]" : ""}`}>
      <span className={`block text-sm ${strong ? "font-semibold text-hold" : "text-ink-2"}`}>{name}</span>
      <span className="block text-2xl font-semibold tracking-tight">{value}</span>
      <span className="block min-h-5 text-sm text-ink-3">{note}</span>
    </Link>
  );
}

function Line({ badge, to, task, title, at, note }: { badge: ReactNode; to: "/approvals" | "/packs" | "/tasks/$task"; task?: string; title: string; at: string | null; note: string }) {
  return (
    <li className="flex items-center gap-3 border-b border-line px-4 py-2 last:border-b-0">
      <span className="w-28 shrink-0">{badge}</span>
      <span className="min-w-0 flex-1">
        <Link to={to} params={task === undefined ? {} : { task }} className="block truncate font-medium text-ink no-underline hover:underline">{title}</Link>
        <span className="block truncate text-sm text-ink-3">{note}</span>
      </span>
      <span className="text-sm text-ink-3"><Time at={at} /></span>
    </li>
  );
}
