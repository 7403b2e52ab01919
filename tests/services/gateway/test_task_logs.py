"""A task's log: every event of a task has its words, and nothing sealed is among them."""

import json
from typing import Any

import pytest

from agentos.contracts.channels import CHANNELS
from services.gateway.task_logs import line_of
from tests.services.gateway.test_api import known, submitted

OF_A_TASK = ("task", "step", "call", "tool", "checkpoint", "approval", "violation")
SEALED = {"sealed": "task.input"}


def event(type_: str, data: dict[str, Any], ordinal: str = "2") -> dict[str, Any]:
    return {"type": type_, "subject": f"evt.default.{type_.split('.')[0]}.t1.{type_.split('.')[1]}.{ordinal}", "data": data}


@pytest.mark.parametrize(
    "type_", [each.name for each in CHANNELS if each.kind == "event" and each.name.split(".")[0] in OF_A_TASK]
)
def test_each_event_has_a_line_even_where_nothing_is_known_of_it(type_: str) -> None:
    assert line_of(event(type_, {})).text
    assert line_of({"type": type_, "subject": "?", "data": None}).text


FAULT = {"code": "http_500", "message": "the provider failed"}


@pytest.mark.parametrize(
    ("type_", "data", "level", "text"),
    [
        ("task.submitted", {"type": "triage", "requester": {"id": "ops"}, "priority": "high", "input": SEALED}, "info",
         "triage submitted by ops, priority high"),
        ("task.updated", {"by": {"id": "ann"}, "changed": ["priority"], "priority": "low"}, "info", "ann changed priority to low"),
        ("task.decided", {"verdict": "deny", "reasons": ["tenant.over_quota"]}, "error", "attempt 2 not admitted: tenant.over_quota"),
        ("task.routed", {"pack": None, "reason": "no pack is alive"}, "error", "nothing takes attempt 2: no pack is alive"),
        ("task.ended", {"outcome": "failed", "failed_step": 3, "fault": FAULT}, "error",
         "attempt 2 failed at step 3: the provider failed (http_500)"),
        ("task.settled", {"outcome": "completed", "result": SEALED}, "info", "the task completed"),
        ("call.attempted", {"target": "openai/gpt-5", "fault": FAULT, "next": "anthropic/haiku"}, "warning",
         "openai/gpt-5 did not answer: the provider failed (http_500); next is anthropic/haiku"),
        ("tool.decided", {"kind": "tool", "tool": "github.comment", "verdict": "hold", "reasons": ["egress"]}, "warning",
         "the tool github.comment waits for a person: egress"),
        ("call.settled", {"provider": "openai", "model": "gpt-5", "outcome": "completed", "duration_ms": 12,
                          "usage": {"input_tokens": 3, "output_tokens": 4}, "response": SEALED}, "info",
         "openai/gpt-5 completed in 12 ms, 3 + 4 tokens"),
        ("approval.resolved", {"outcome": "rejected", "by": {"id": "bob"}}, "warning", "rejected by bob"),
        ("log.written", {"pack": "desk", "agent": "main", "attempt": 1, "levels": {"info": 2, "warning": 1}, "lines": SEALED}, "warning",
         "desk/main logged 3 lines"),
        ("log.written", {"pack": "desk", "agent": "main", "attempt": 2, "levels": {}, "dropped": 17}, "warning",
         "attempt 2 logged too much: 17 of its lines are not kept"),
        ("budget.warned", {}, "info", "budget warned"),
    ],
)  # fmt: skip
def test_a_line_says_what_happened_and_how_much_it_matters(type_: str, data: dict[str, Any], level: str, text: str) -> None:
    line = line_of(event(type_, data))
    assert (line.level, line.text) == (level, text)


async def test_the_lines_of_a_task_come_in_order_with_where_each_stands(edge: Any) -> None:
    task = await submitted(edge)
    await known(edge, task)
    page = (await edge.http.get(f"/api/v1/tasks/{task}/logs")).json()
    [line] = page["items"]
    assert line["text"] == "report submitted by admin, priority normal"
    assert (line["level"], line["type"], page["next_cursor"]) == ("info", "task.submitted", None)
    assert "ciphertext" not in json.dumps(page)
    later = await edge.http.get(f"/api/v1/tasks/{task}/logs?cursor={line['seq']}")
    assert later.json()["items"] == []
    assert (await edge.http.get(f"/api/v1/tasks/{task}/logs?cursor=x")).status_code == 422
