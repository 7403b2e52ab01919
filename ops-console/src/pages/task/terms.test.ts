import { expect, test } from "vitest";

import { changedIn, changeOf, termsOf } from "./terms";

const row = { priority: "normal", deadline: "2026-03-01T10:00:00Z", labels: { team: "billing", url: "a:b" }, max_attempts: 3 };

test("what nobody has touched is no change, and comes back as it was read", () => {
  expect(changeOf(termsOf(row), termsOf(row))).toEqual({});
});

test("only what was changed is sent; an empty deadline takes it away", () => {
  const read = termsOf(row);
  expect(changeOf(read, { ...read, priority: "high", deadline: "" })).toEqual({ priority: "high", deadline: null });
  expect(changeOf(read, { ...read, labels: `${read.labels}\nrisk: low\nnothing`, attempts: "5" })).toEqual({ labels: { team: "billing", url: "a:b", risk: "low" }, max_attempts: 5 });
});

test("a deadline is edited in the time zone of whoever edits it and sent in UTC", () => {
  const read = termsOf(row);
  expect(changeOf({ ...read, deadline: "" }, read)).toEqual({ deadline: "2026-03-01T10:00:00.000Z" });
});

test("what somebody else has changed is told in words", () => {
  expect(changedIn({ changed: ["priority", "deadline", "labels", "max_attempts"], priority: "high", deadline: null, labels: { team: "a" }, max_attempts: 5 })).toBe("priority to high, deadline to none, labels to team: a, attempts to 5");
});
