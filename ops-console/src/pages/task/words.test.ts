import { expect, test } from "vitest";

import type { Task } from "../../api/rows";
import { titleOf } from "./words";

test("a task is called by its label title alone: nothing else that was sent is in clear", () => {
  const task = (labels: Record<string, string> | null) => titleOf({ labels } as Task);
  expect(task({ title: " Checkout fails with a card " })).toBe("Checkout fails with a card");
  for (const labels of [null, {}, { title: "  " }, { name: "x" }]) expect(task(labels as Record<string, string> | null)).toBeNull();
});
