import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { count, duration } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Badge } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { useNames } from "../../shell/people";
import { Instances, ms } from "./Figures";

type PastSwitch = components["schemas"]["PastSwitch"];
type PastDrill = components["schemas"]["PastDrill"];

const LIMIT = 20;

/** Switches that were released: how long each stood, and what it stopped. */
export function PastSwitches() {
  const { nameOf } = useNames();
  const answer = useInfiniteQuery({
    queryKey: ["kill", "history"], initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/kill/history", { params: { query: { limit: LIMIT, ...(pageParam === null ? {} : { cursor: pageParam }) } } })),
    getNextPageParam: (last) => last.next_cursor,
  });
  const rows = answer.data?.pages.flatMap((each) => each.items) ?? [];
  return (
    <Panel title="Released switches">
      {answer.error !== null && <Fault error={answer.error} />}
      {answer.isPending ? <Loading what="released switches" /> : rows.length === 0 ? <Empty title="None was ever released" /> : (
        <Wide label="Table of released switches">
          <table className="grid-table">
            <thead><tr><th>What</th><th>Why, and why it was let go</th><th>Engaged</th><th>Released</th><th className="num">Stood for</th><th className="num">Stopped</th><th className="num">Not confirmed</th></tr></thead>
            <tbody>{rows.map((row) => (
              <tr key={row.id}>
                <td><Link to="/kill" search={{ switch: row.id }}>{row.scope === "global" ? "everything" : `${row.scope} ${row.target}`}</Link><span className="block text-sm text-ink-3">{row.mode}</span></td>
                <td className="min-w-56">{row.reason ?? "–"}<span className="block text-sm text-ink-3">{row.release_reason ?? "–"}</span></td>
                <td><Time at={row.engaged_at} /><span className="block text-sm text-ink-3">{row.trigger == null ? `by ${nameOf(row.engaged_by)}` : `by trigger ${row.trigger}`}</span></td>
                <td><Time at={row.released_at} /><span className="block text-sm text-ink-3">by {nameOf(row.released_by)}</span></td>
                <td className="num">{stood(row)}</td>
                <td className="num">{count(row.cancelled)}</td>
                <td className="num">{row.unconfirmed > 0 ? <Badge tone="fail">{count(row.unconfirmed)}</Badge> : "0"}</td>
              </tr>
            ))}</tbody>
          </table>
        </Wide>
      )}
      {answer.hasNextPage && <div className="border-t border-line p-2 text-right"><button type="button" className="btn" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>Older</button></div>}
    </Panel>
  );
}

function stood(row: PastSwitch): string {
  return row.engaged_at == null || row.released_at == null ? "–" : duration(Date.parse(row.released_at) - Date.parse(row.engaged_at));
}

/** Drills, each with its figures; one opens to the instances that took part. */
export function PastDrills() {
  const { nameOf } = useNames();
  const answer = useInfiniteQuery({
    queryKey: ["kill", "drills"], initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/kill/drills", { params: { query: { limit: LIMIT, ...(pageParam === null ? {} : { cursor: pageParam }) } } })),
    getNextPageParam: (last) => last.next_cursor,
  });
  const rows = answer.data?.pages.flatMap((each) => each.items) ?? [];
  return (
    <Panel title="Drills">
      {answer.error !== null && <Fault error={answer.error} />}
      {answer.isPending ? <Loading what="drills" /> : rows.length === 0 ? <Empty title="No drill yet">A drill measures how soon every instance sees a switch, with one that covers nothing.</Empty> : (
        <ul aria-label="Drills, newest first">{rows.map((drill) => <Drill key={drill.id} drill={drill} by={nameOf(drill.by.id)} />)}</ul>
      )}
      {answer.hasNextPage && <div className="border-t border-line p-2 text-right"><button type="button" className="btn" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>Older</button></div>}
    </Panel>
  );
}

function Drill({ drill, by }: { drill: PastDrill; by: string }) {
  const missed = drill.instances.reduce((sum, each) => sum + each.missed, 0);
  return (
    <li className="border-b border-line last:border-b-0">
      <details>
        <summary className="flex flex-wrap items-baseline gap-x-4 gap-y-1 px-4 py-2.5">
          <span className="w-20"><Time at={drill.at} /></span>
          {missed === 0 ? <Badge tone="done">every instance saw each</Badge> : <Badge tone="fail">{count(missed)} missed</Badge>}
          <span className="text-ink-2">{count(drill.rounds)} rounds, {count(drill.instances.length)} instances, by {by}: {drill.reason}</span>
          <span className="ml-auto">half within <strong>{ms(drill.p50_ms)}</strong>, 99 of 100 within <strong>{ms(drill.p99_ms)}</strong>, slowest <strong>{ms(drill.max_ms)}</strong></span>
        </summary>
        <Instances instances={drill.instances} />
      </details>
    </li>
  );
}
