import { expect, test } from "vitest";

import { stretches } from "./placeholders";

const marked = (before: string, after: string): string => stretches(before, after).map(({ text, placeholder }) => (placeholder === null ? text : `[${text}=${placeholder}]`)).join("");

test("what a placeholder took the place of is found in the text before it", () => {
  expect(marked("Write to alice@example.com or call 020 7946 0000.", "Write to <EMAIL_1> or call <PHONE#0a1b2c3d>.")).toBe("Write to [alice@example.com=<EMAIL_1>] or call [020 7946 0000=<PHONE#0a1b2c3d>].");
  expect(marked("alice", "<PERSON_1>")).toBe("[alice=<PERSON_1>]");
  expect(marked("nothing here", "nothing here")).toBe("nothing here");
});

test("of texts that do not fit together nothing is claimed, and none of the text is lost", () => {
  for (const [before, after] of [["a secret b", "a b"], ["alice bob", "<PERSON_1><PERSON_2>"], ["x 4111 y", "x ****1111 y"], ["one", "two <EMAIL_1>"], ["", "<EMAIL_1> x"]] as const) {
    expect(stretches(before, after).map(({ text }) => text).join(""), before).toBe(before);
    expect(stretches(before, after).every(({ placeholder }) => placeholder === null), before).toBe(true);
  }
});
