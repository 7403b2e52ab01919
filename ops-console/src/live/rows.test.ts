import { expect, test } from "vitest";

import { patched, type Rows } from "./rows";

interface Row {
  id: string;
  first_seq: number;
  state?: string;
}

const LIMIT = 4;
const rows = (...seqs: number[]): Row[] => seqs.map((seq) => ({ id: `t${seq}`, first_seq: seq }));
const list = (next: string | null, ...seqs: number[]): Rows<Row> => ({ items: rows(...seqs), next_cursor: next });
const seqs = (pages: Rows<Row>[] | undefined) => pages?.map((page) => page.items.map((row) => row.first_seq));

test("a row that stands in the list stays where it is, as it is now; no other is touched", () => {
  const pages = [list("7", 9, 8, 7), list(null, 5)];
  const now = { id: "t8", first_seq: 8, state: "waiting" };
  const next = patched(pages, ["t8"], [now], "desc", LIMIT);
  expect(seqs(next)).toEqual([[9, 8, 7], [5]]);
  expect(next?.[0]?.items[1]).toBe(now);
  expect(next?.[0]?.items[0]).toBe(pages[0]?.items[0]);
  expect(pages[0]?.items[1]?.state).toBeUndefined();
});

test("new rows stand where the gateway would put them, in either order", () => {
  expect(seqs(patched([list("7", 9, 7), list(null, 5, 3)], ["t10", "t8", "t4"], rows(8, 10, 4), "desc", LIMIT))).toEqual([[10, 9, 8, 7], [5, 4, 3]]);
  expect(seqs(patched([list("3", 1, 3), list("7", 5, 7)], ["t4"], rows(4), "asc", LIMIT))).toEqual([[1, 3], [4, 5, 7]]);
  expect(seqs(patched([list(null)], ["t1"], rows(1), "desc", LIMIT))).toEqual([[1]]);
});

test("a row behind all that was read comes with its page, and stands at the end where there is no other page", () => {
  expect(seqs(patched([list("7", 9, 8, 7)], ["t2"], rows(2), "desc", LIMIT))).toEqual([[9, 8, 7]]);
  expect(seqs(patched([list(null, 9, 8, 7)], ["t2"], rows(2), "desc", LIMIT))).toEqual([[9, 8, 7, 2]]);
});

test("a row that the filter no longer lets through leaves", () => {
  expect(seqs(patched([list(null, 9, 8, 7)], ["t8", "t1"], [], "desc", LIMIT))).toEqual([[9, 7]]);
});

test("a page that has grown or shrunk too far is read anew", () => {
  expect(seqs(patched([list("1", 4, 3, 2, 1)], ["t5", "t6"], rows(5, 6), "desc", LIMIT))).toEqual([[6, 5, 4, 3, 2, 1]]);
  expect(patched([list("1", 4, 3, 2, 1)], ["t5", "t6", "t7"], rows(5, 6, 7), "desc", LIMIT)).toBeUndefined();
  expect(patched([list("3", 4, 3)], ["t4"], [], "desc", LIMIT)).toBeUndefined();
  // With nothing behind it, a list may be as short as it is.
  expect(seqs(patched([list(null, 4, 3)], ["t4", "t3"], [], "desc", LIMIT))).toEqual([[]]);
});
