import { expect, test } from "vitest";

import { saidIn } from "./said";

test("a request is read as a conversation, and what was set beside it is named", () => {
  const request = {
    kind: "generate", model: "default", system: "Be brief.", max_output_tokens: 200, stop: [], temperature: null, tools: [{ name: "search" }],
    messages: [
      { role: "user", parts: [{ type: "text", text: "Who wrote?" }, { type: "tool_result", id: "1", name: "search", content: "<PERSON_1>" }] },
      { role: "assistant", parts: [{ type: "tool_call", id: "2", name: "search", arguments: { q: "tea" } }] },
    ],
  };
  expect(saidIn(request)).toEqual([
    { who: "system", text: "Be brief." }, { who: "user", text: "Who wrote?" }, { who: "search answered", text: "<PERSON_1>" },
    { who: "assistant asks for search", text: '{\n  "q": "tea"\n}' }, { who: "tools", text: "search" },
    { who: "settings", text: "model default · max output tokens 200" },
  ]);
});

test("an answer is what the model said, and a tool's arguments are read by name", () => {
  expect(saidIn({ parts: [{ type: "text", text: "Done." }], finish_reason: "stop" })).toEqual([{ who: "model", text: "Done." }, { who: "settings", text: "finish reason stop" }]);
  expect(saidIn({ body: "Hello <PERSON_1>", issue: 7 })).toEqual([{ who: "body", text: "Hello <PERSON_1>" }, { who: "issue", text: "7" }]);
  expect(saidIn("text")).toEqual([{ who: "value", text: "text" }]);
});
