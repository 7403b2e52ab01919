import { expect, test } from "vitest";

import type { Task } from "../../api/rows";
import { about, titleOf } from "./words";

test("a task is called by its label title alone: nothing else that was sent is in clear", () => {
  const task = (labels: Record<string, string> | null) => titleOf({ labels } as Task);
  expect(task({ title: " Checkout fails with a card " })).toBe("Checkout fails with a card");
  for (const labels of [null, {}, { title: "  " }, { name: "x" }]) expect(task(labels as Record<string, string> | null)).toBeNull();
});

test("the rule that admitted a task is not told as the reason of its end; that which refused it is", () => {
  const task = (more: Partial<Task>) => about({ fault_message: null, waiting_for: null, outcome: null, reasons: ["admission.allowed"], ...more } as Task);
  expect(task({ state: "settled", outcome: "completed" })).toBe("");
  expect(task({ state: "routed" })).toBe("");
  expect(task({ state: "settled", outcome: "denied", reasons: ["admission.too_many"] })).toBe("admission.too_many");
  expect(task({ state: "settled", outcome: "cancelled", reasons: ["reported twice"] })).toBe("reported twice");
  expect(task({ state: "waiting", waiting_for: "tool" })).toBe("waits for tool");
  expect(task({ state: "settled", outcome: "failed", fault_message: "it broke" })).toBe("it broke");
});
