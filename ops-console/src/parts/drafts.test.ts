import { beforeEach, expect, test } from "vitest";

import { session } from "../session/session";
import { draftIn, dropAll, dropIn, keepIn } from "./drafts";

beforeEach(() => sessionStorage.clear());

test("what was typed outlives the page that it was typed on, until it is sent", () => {
  keepIn("comment:1", "Looks right, but");
  keepIn("edit:1", { digest: "d", values: { body: "Hi" } });
  expect(draftIn("comment:1")).toBe("Looks right, but");
  expect(draftIn("edit:1")).toEqual({ digest: "d", values: { body: "Hi" } });
  dropIn("comment:1");
  expect(draftIn("comment:1")).toBeUndefined();
});

test("who signs out leaves nothing that they typed, and keeps what is not theirs", async () => {
  keepIn("comment:1", "mine");
  sessionStorage.setItem("other", "stays");
  await session.end();
  expect(draftIn("comment:1")).toBeUndefined();
  expect(sessionStorage.getItem("other")).toBe("stays");
});

test("what cannot be read is no draft", () => {
  sessionStorage.setItem("agentos-draft:x", "{");
  expect(draftIn("x")).toBeUndefined();
  dropAll();
  expect(sessionStorage.length).toBe(0);
});
