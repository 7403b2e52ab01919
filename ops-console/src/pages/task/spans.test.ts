import { expect, test } from "vitest";

import { rows, sealed, type Span } from "./spans";

const span = (id: string, parent: string | null, more: Partial<Span> = {}): Span => ({
  id, parent, kind: "call", name: id, start: "2026-01-01T00:00:00Z", end: null, position: 1, end_position: null, event_id: null, detail: {}, ...more,
});

test("a span stands below what it belongs to, however late it began", () => {
  const found = rows([span("task:1", null), span("call:a", "task:1"), span("call:b", "task:1"), span("try:a:1", "call:a")]);
  expect(found.map((row) => [row.span.id, row.depth])).toEqual([["task:1", 0], ["call:a", 1], ["try:a:1", 2], ["call:b", 1]]);
});

test("a span whose parent is in another part of the timeline is shown all the same", () => {
  expect(rows([span("call:a", "attempt:0")]).map((row) => row.depth)).toEqual([0]);
});

test("a held call says so until it goes on, and what decided it stands beside it", () => {
  const [row] = rows([span("call:a", null, { detail: { verdict: "hold", rules: ["tools.write_held"], reasons: ["writes outside"] } })]);
  expect(row?.state).toBe("held");
  expect(row?.note).toBe("rules tools.write_held · writes outside");
});

test("five thousand spans become rows in one pass, however deep", () => {
  const deep = Array.from({ length: 5_000 }, (_, at) => span(`call:${at}`, at === 0 ? null : `call:${at - 1}`));
  expect(rows(deep)).toHaveLength(5_000);
});

test("the sealed parts of an event are found by their paths", () => {
  expect(sealed({ request: { sealed: "call.request" }, more: [{ text: { sealed: "x" } }] })).toEqual(["request", "more.0.text"]);
});
