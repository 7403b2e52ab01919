import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Fault, Loading } from "../../parts/Fault";
import { Panel } from "../../parts/Page";
import { Time } from "../../parts/Time";
import { LogLines, toneOf } from "./LogLines";
import { Reveal } from "./Reveal";

type Line = components["schemas"]["LogLine"];

const LEVELS = ["debug", "info", "warning", "error"] as const;

/** What happened to the task, a line each, and what its agent logged: sealed, until somebody opens it and says why. Read only once it is open. */
export function Log({ task }: { task: string }) {
  const [open, setOpen] = useState(false);
  const [from, setFrom] = useState<Line["level"]>("info");
  const log = useInfiniteQuery({
    queryKey: ["task", task, "logs"],
    queryFn: ({ pageParam }) => sent(api.GET("/api/v1/tasks/{task}/logs", { params: { path: { task }, query: pageParam === null ? {} : { cursor: pageParam } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    enabled: open,
  });
  const lines = (log.data?.pages ?? []).flatMap((each) => each.items).filter((line) => LEVELS.indexOf(line.level) >= LEVELS.indexOf(from));
  return (
    <Panel title="Log" actions={
      <span className="flex items-center gap-3">
        {open && <label className="flex items-center gap-2 text-sm">From <select className="field" value={from} onChange={(event) => setFrom(event.target.value as Line["level"])}>{LEVELS.map((level) => <option key={level}>{level}</option>)}</select></label>}
        <button type="button" className="btn" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? "Close the log" : "Open the log"}</button>
      </span>
    }>
      {open && (
        <>
          {log.error !== null && <Fault error={log.error} />}
          {log.isPending ? <Loading what="the log" /> : lines.length === 0 ? <p className="p-4 text-ink-3">Nothing of this level.</p> : (
            <ol aria-label="Lines of the log">{lines.map((line) => <LogItem key={line.seq} line={line} />)}</ol>
          )}
          {log.hasNextPage && <div className="p-3"><button type="button" className="btn" disabled={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>More</button></div>}
        </>
      )}
    </Panel>
  );
}

function LogItem({ line }: { line: Line }) {
  const [opened, setOpened] = useState(false);
  return (
    <li className="border-b border-line px-4 py-1.5 last:border-b-0">
      <div className="flex flex-wrap items-baseline gap-x-3">
        <span className="w-24 shrink-0 text-sm text-ink-3"><Time at={line.time} /></span>
        <span className={`w-16 shrink-0 text-sm ${toneOf(line.level)}`}>{line.level}</span>
        <span className="min-w-0 flex-1 break-words">{line.text}</span>
        {line.sealed && <button type="button" className="btn" aria-expanded={opened} onClick={() => setOpened(!opened)}>{opened ? "Close" : "Read them"}</button>}
      </div>
      {opened && line.event_id !== null && <div className="mt-2"><Reveal event={line.event_id} fields={["lines"]} show={({ value }) => <LogLines lines={value} />} /></div>}
    </li>
  );
}
