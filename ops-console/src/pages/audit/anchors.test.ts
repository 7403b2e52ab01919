import { expect, test } from "vitest";

import { anchorsIn, lastAnchor } from "./anchors";

test("of a long file of anchors some are sent, evenly chosen, and the last one always", () => {
  expect(anchorsIn("a\n\n b \r\n")).toEqual(["a", "b"]);
  const many = anchorsIn(Array.from({ length: 1_234 }, (_, at) => String(at)).join("\n"));
  expect([many.length, many.at(-1), new Set(many).size]).toEqual([500, "1233", 500]);
});

test("the last anchor is the newest that any place outside holds", () => {
  expect(lastAnchor([{ place: "/mnt/a", anchored: 40 }, { place: "https://b", anchored: 90 }, { place: "/mnt/c", anchored: 0 }])).toEqual({ place: "https://b", anchored: 90 });
  expect([lastAnchor([]), lastAnchor([{ place: "/mnt/c", anchored: 0 }])]).toEqual([null, null]);
});
