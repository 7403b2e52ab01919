/** Lists whose rows can be read one by one: an event names the row that it changes, and no other has to be read again. */

/** What a query's `meta` says of such a list: reads the rows that have these ids now, and gives what the list becomes with them, or undefined where all of it is to be read. */
export type ReadRows = (ids: readonly string[]) => Promise<(data: unknown) => unknown>;

declare module "@tanstack/react-query" {
  interface Register {
    queryMeta: { readRows?: ReadRows };
  }
}

interface Row {
  id: string;
  /** Where it began in the log: lists are in the order of it. */
  first_seq: number;
}

export interface Rows<T> {
  items: T[];
  next_cursor: string | null;
}

/** As many rows as a page may have more than it was read with, or as few of those it may have left, before it is read anew. */
const DRIFT = 0.5;

/** The pages of a list, of `limit` rows each, when of the rows `asked` for those stand in it that were `found`. Undefined where they have drifted too far from what the gateway would say. */
export function patched<T extends Row>(pages: readonly Rows<T>[], asked: readonly string[], found: readonly T[], order: "asc" | "desc", limit: number): Rows<T>[] | undefined {
  const now = new Map(found.map((row) => [row.id, row]));
  const left = new Set(asked.filter((id) => !now.has(id)));
  const next = pages.map((page) => ({ ...page, items: page.items.filter((row) => !left.has(row.id)).map((row) => now.get(row.id) ?? row) }));
  for (const page of pages) for (const row of page.items) now.delete(row.id);
  const after = (one: T, other: T): boolean => (order === "desc" ? one.first_seq < other.first_seq : one.first_seq > other.first_seq);
  for (const row of now.values()) {
    const page = next.find(({ items }) => items.some((other) => after(other, row)));
    if (page !== undefined) page.items.splice(page.items.findIndex((other) => after(other, row)), 0, row);
    // Behind all that was read: it comes with the next page, where there is one.
    else if (next.at(-1)?.next_cursor === null) next.at(-1)?.items.push(row);
  }
  const drifted = next.some((page) => page.items.length > limit * (1 + DRIFT) || (page.next_cursor !== null && page.items.length < limit * (1 - DRIFT)));
  return drifted ? undefined : next;
}
