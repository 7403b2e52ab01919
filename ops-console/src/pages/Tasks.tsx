import { type InfiniteData, keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { createColumnHelper, flexRender, getCoreRowModel, type Row, useReactTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { api, page } from "../api/client";
import type { Task } from "../api/rows";
import { patched, type Rows } from "../live/rows";
import { focusRow, step } from "../parts/cursor";
import { Empty, Fault, Loading } from "../parts/Fault";
import { count, tail, usd } from "../parts/format";
import { Fresh } from "../parts/Fresh";
import { Page } from "../parts/Page";
import { Status } from "../parts/Status";
import { useSteady } from "../parts/steady";
import { Time } from "../parts/Time";
import { useKeys } from "../shell/keys";
import { Who } from "../shell/Who";
import { Bulk } from "./task/Bulk";
import { Views } from "./task/Views";
import { about, titleOf, took } from "./task/words";

export interface TaskSearch {
  q?: string;
  state?: string;
  outcome?: string;
  pack?: string;
  type?: string;
  agent?: string;
  requester?: string;
  sort?: string;
  order?: string;
}

const STATES = ["submitted", "queued", "admitted", "routed", "running", "waiting", "retrying", "parked", "settled"];
const OUTCOMES = ["completed", "failed", "refused", "cancelled", "expired"] as const;
type Outcome = (typeof OUTCOMES)[number];
/** The columns that the gateway can sort by. */
const SORTS: Record<string, string> = { submitted_at: "created", took: "duration", cost_usd: "cost" };
const ROW_PX = 40;
const LIMIT = 100;

const column = createColumnHelper<Task>();
const COLUMNS = [
  column.display({ id: "state", header: "State", cell: ({ row }) => <Status state={row.original.outcome ?? row.original.state} />, size: 150 }),
  column.accessor("type", { header: "Task", size: 340, cell: ({ row }) => <Named task={row.original} /> }),
  column.display({ id: "pack", header: "Pack", size: 150, cell: ({ row }) => row.original.pack ?? <span className="text-ink-3">–</span> }),
  column.display({ id: "about", header: "What it waits for, or why it ended", size: 220, cell: ({ row }) => <span className="truncate text-ink-2">{about(row.original)}</span> }),
  column.accessor("requester", { header: "For", size: 120, cell: ({ getValue }) => <Who id={getValue()} /> }),
  column.accessor("submitted_at", { header: "Submitted", size: 110, cell: ({ getValue }) => <Time at={getValue()} /> }),
  column.display({ id: "took", header: "Took", size: 90, cell: ({ row }) => took(row.original) }),
  column.accessor("cost_usd", { header: "Cost", size: 90, cell: ({ getValue }) => usd(getValue()) }),
];

type Listed = InfiniteData<Rows<Task>, string | null>;

function withRows(list: Listed, ids: readonly string[], found: Task[], order: "asc" | "desc"): Listed | undefined {
  const pages = patched(list.pages, ids, found, order, LIMIT);
  return pages && { ...list, pages };
}

/** A table for any number of tasks: the gateway filters, the page fetches as it scrolls and draws only what is seen. */
export function Tasks() {
  const search: TaskSearch = useSearch({ strict: false });
  const navigate = useNavigate();
  const [cursor, setCursor] = useState<string | null>(null);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const box = useRef<HTMLDivElement>(null);
  const filter = useRef<HTMLInputElement>(null);
  const view = JSON.stringify(search);

  const ask = (more: { cursor?: string; id?: string }) => {
    const query = { ...search, ...(search.outcome === undefined ? {} : { outcome: search.outcome as Outcome }), limit: LIMIT, ...more };
    return page<Task>(api.GET("/api/v1/tasks", { params: { query: query as { outcome?: Outcome } } }));
  };
  const answer = useInfiniteQuery({
    queryKey: ["tasks", search],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => ask(pageParam === null ? {} : { cursor: pageParam }),
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
    // In another order than that of their making, a row that changes moves.
    meta: (search.sort ?? "created") !== "created" ? {} : { readRows: async (ids) => {
      const { items } = await ask({ id: ids.join() });
      return (data) => withRows(data as Listed, ids, items, search.order === "asc" ? "asc" : "desc");
    } },
  });
  const loaded = useMemo(() => {
    const seen = new Set<string>();
    // Pages move apart while tasks come in; a row stands once.
    return answer.data?.pages.flatMap((each) => each.items).filter((row) => !seen.has(row.id) && seen.add(row.id));
  }, [answer.data]);
  const pages = answer.data?.pages.length ?? 0;
  // What the view before had found stands until the new one answers, and is never taken for its answer.
  const list = useSteady(answer.isPlaceholderData ? undefined : loaded, `${view} ${pages}`);
  // eslint-disable-next-line react-hooks/incompatible-library -- the compiler is not used here
  const table = useReactTable({ data: list.rows, columns: COLUMNS, getCoreRowModel: getCoreRowModel(), getRowId: (row) => row.id });
  const rows = table.getRowModel().rows;
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => box.current, estimateSize: () => ROW_PX, overscan: 12 });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = answer;
  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 20 && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [last, rows.length, hasNextPage, isFetchingNextPage, fetchNextPage]);

  const set = (change: TaskSearch) => void navigate({ to: "/tasks", search: clean({ ...search, ...change }), replace: true });
  const mark = useCallback((task: string): void => setMarked((before) => {
    const next = new Set(before);
    if (!next.delete(task)) next.add(task);
    return next;
  }), []);
  const sortBy = (sort: string): void => {
    const turned = (search.sort ?? "created") === sort && search.order !== "asc";
    set({ sort: sort === "created" ? "" : sort, order: turned ? "asc" : "" });
  };
  const open = useCallback((task: string) => void navigate({ to: "/tasks/$task", params: { task } }), [navigate]);
  const go = (by: number): void => {
    const ids = list.rows.map((row) => row.id);
    const next = step(ids, cursor, by);
    setCursor(next);
    if (next === null) return;
    virtual.scrollToIndex(ids.indexOf(next));
    focusRow(box.current, next);
  };
  useKeys({
    j: () => go(1), k: () => go(-1), ArrowDown: () => go(1), ArrowUp: () => go(-1), n: list.renew,
    Enter: () => cursor !== null && open(cursor), f: () => filter.current?.focus(), x: () => cursor !== null && mark(cursor),
    Escape: () => (marked.size > 0 ? setMarked(new Set()) : setCursor(null)),
  });

  return (
    <Page title="Tasks" lead={<>{count(list.rows.length)}{hasNextPage ? "+" : ""} shown</>}>
      <Views search={search} onShow={(next) => void navigate({ to: "/tasks", search: next })} />
      <form role="search" className="mb-3 flex flex-wrap gap-2" onSubmit={(event) => event.preventDefault()}>
        <input ref={filter} className="field max-w-md flex-1 basis-56" type="search" aria-label="Search tasks" placeholder="Search ids, types, labels, faults (f)" defaultValue={search.q ?? ""} key={search.q ?? ""}
          onBlur={(event) => set({ q: event.target.value })} onKeyDown={(event) => {
            if (event.key === "Enter") set({ q: event.currentTarget.value });
            if (event.key === "Escape") event.currentTarget.blur();
          }} />
        <Choice label="State" value={search.state} all="Every state" options={STATES} onChange={(state) => set({ state })} />
        <Choice label="Outcome" value={search.outcome} all="Every outcome" options={OUTCOMES} onChange={(outcome) => set({ outcome })} />
        {view !== "{}" && <button type="button" className="btn btn-quiet" onClick={() => void navigate({ to: "/tasks", search: {} })}>Clear</button>}
      </form>
      {answer.error !== null && <Fault error={answer.error} />}
      {answer.isPending ? <Loading what="tasks" /> : (
        <div className="panel overflow-hidden">
          <Fresh count={list.fresh} onShow={list.renew} />
          {marked.size > 0 && <Bulk marked={marked} onMarked={setMarked} />}
          <div ref={box} className="h-[calc(100dvh-14.5rem)] min-h-80 overflow-auto" role="table" aria-label="Tasks" aria-rowcount={hasNextPage ? -1 : rows.length + 1}>
            <div className="min-w-[68rem]">
              <div role="rowgroup" className="sticky top-0 z-10 bg-surface">
                <div role="row" className="flex border-b border-line">
                  <div role="columnheader" className="w-10 shrink-0"><span className="sr-only">Marked</span></div>
                  {table.getFlatHeaders().map((header) => (
                    <div key={header.id} role="columnheader" className="shrink grow px-3 py-2 text-sm font-semibold text-ink-3" style={{ flexBasis: header.getSize(), width: 0 }}
                      aria-sort={SORTS[header.id] !== undefined && SORTS[header.id] === (search.sort ?? "created") ? (search.order === "asc" ? "ascending" : "descending") : undefined}>
                      {SORTS[header.id] === undefined ? flexRender(header.column.columnDef.header, header.getContext()) : (
                        <button type="button" className="flex items-center gap-1 font-semibold" onClick={() => sortBy(SORTS[header.id] ?? "created")}>
                          {flexRender(header.column.columnDef.header, header.getContext())}
                          <span aria-hidden="true">{SORTS[header.id] === (search.sort ?? "created") ? (search.order === "asc" ? "↑" : "↓") : ""}</span>
                        </button>
                      )}
                    </div>
                  ))}
                </div>
              </div>
              <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
                {shown.map((item) => {
                  const row = rows[item.index];
                  if (row === undefined) return null;
                  return <Line key={row.id} row={row} index={item.index} start={item.start} size={item.size} here={row.id === cursor} marked={marked.has(row.id)} onOpen={open} onHere={setCursor} onMark={mark} />;
                })}
              </div>
            </div>
          </div>
          {rows.length === 0 && <Empty title="No task matches">{view === "{}" ? "Tasks appear here when a webhook, the API or a person asks for one." : "Widen the search, or clear it."}</Empty>}
        </div>
      )}
    </Page>
  );
}

interface LineProps {
  row: Row<Task>;
  index: number;
  start: number;
  size: number;
  here: boolean;
  marked: boolean;
  onOpen: (task: string) => void;
  onHere: (task: string) => void;
  onMark: (task: string) => void;
}

/** A row of the table. Drawn anew when its task changes, not when another does: the table makes all of its rows anew for each. */
const Line = memo(function Line({ row, index, start, size, here, marked, onOpen, onHere, onMark }: LineProps) {
  return (
    <div role="row" data-row={row.id} aria-rowindex={index + 2} tabIndex={0} onClick={() => onOpen(row.id)} onFocus={() => onHere(row.id)}
      onKeyDown={(event) => event.key === "Enter" && event.target === event.currentTarget && onOpen(row.id)}
      className={`absolute inset-x-0 flex cursor-pointer items-center border-b border-line ${here ? "bg-accent-soft shadow-[inset_3px_0_0_var(--accent)]" : "hover:bg-raised"}`}
      style={{ height: size, transform: `translateY(${start}px)` }}>
      {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions -- a click beside the box must not open the row; keys go to the box */}
      <div role="cell" className="flex w-10 shrink-0 items-center justify-center self-stretch" onClick={(event) => event.stopPropagation()}>
        <input type="checkbox" className="size-4 accent-[var(--accent)]" checked={marked} onChange={() => onMark(row.id)} aria-label={`Mark ${titleOf(row.original) ?? row.original.type} ${tail(row.id)}`} />
      </div>
      {row.getVisibleCells().map((cell) => (
        <div key={cell.id} role="cell" className="flex shrink grow overflow-hidden px-3 whitespace-nowrap" style={{ flexBasis: cell.column.getSize(), width: 0 }}>
          {flexRender(cell.column.columnDef.cell, cell.getContext())}
        </div>
      ))}
    </div>
  );
}, ({ row, ...before }, { row: now, ...next }) => row.original === now.original && (Object.keys(before) as (keyof typeof before)[]).every((key) => before[key] === next[key]));

/** A task by its title, where whoever asked for it gave one in clear; what it works on is sealed, and the type alone is known then. */
function Named({ task }: { task: Task }) {
  const title = titleOf(task);
  return (
    <span className="flex min-w-0 items-baseline gap-2" title={title === null ? "It was given no title; what it works on is sealed" : `${title} (${task.type})`}>
      <strong className="truncate font-medium">{title ?? task.type}</strong>
      <span className="shrink-0 text-sm text-ink-3">{title === null ? <span className="font-mono">{tail(task.id)}</span> : task.type}</span>
    </span>
  );
}

function Choice({ label, value, all, options, onChange }: { label: string; value: string | undefined; all: string; options: readonly string[]; onChange: (value: string) => void }) {
  return (
    <select className="field w-auto" aria-label={label} value={value ?? ""} onChange={(event) => onChange(event.target.value)}>
      <option value="">{all}</option>
      {options.map((each) => <option key={each}>{each}</option>)}
    </select>
  );
}

/** Filters without the empty ones, so that an address says only what was asked. */
function clean(search: TaskSearch): TaskSearch {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined && value !== ""));
}
