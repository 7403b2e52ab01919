"""The command as people run it: a process of its own against a served gateway."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.budgets import Budget, BudgetState
from agentos.contracts.envelope import encode_body
from agentos.contracts.events.privacy import PayloadRevealed
from agentos.contracts.events.task import LogWritten
from services.router.agents import AgentRegistry


@dataclass
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


async def agentos(*arguments: str, url: str = "http://127.0.0.1:1", stdin: str = "", **environ: str) -> Ended:
    """Run the command without a terminal, with nothing of the caller's environment that it reads."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENTOS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agentos.cli", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=inherited | {"AGENTOS_URL": url, "COLUMNS": "200", **environ},
    )  # fmt: skip
    out, err = await process.communicate(stdin.encode())
    return Ended(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def run(edge: Any) -> Any:
    async def agentos_here(*arguments: str, stdin: str = "") -> Ended:
        return await agentos(*arguments, url=edge.url, stdin=stdin, AGENTOS_DATA=str(edge.gateway.settings.data))

    return agentos_here


async def test_a_task_is_submitted_listed_shown_and_cancelled(edge: Any, run: Any) -> None:
    made = await run("task", "submit", "report", "--input", "-", "--label", "team=a", "--json", stdin='{"q": 1}')
    assert made.code == 0, made.err
    task = made.json()["task"]
    assert [item["id"] for item in (await run("task", "list", "--json")).json()["items"]] == [task]
    assert task in (await run("task", "list")).out
    shown = await run("task", "show", task)
    assert "task.submitted" in shown.out
    assert (await run("task", "cancel", task, "--reason", "wrong one")).code == 0
    assert (await run("task", "retry", task)).code == 0


async def test_the_beginning_of_an_id_is_enough_where_only_one_begins_so(run: Any) -> None:
    task = (await run("task", "submit", "report", "--json")).json()["task"]
    assert f"task {task} is being cancelled" in (await run("task", "cancel", task[:8], "--reason", "x")).out
    assert (await run("task", "show", "no-such-task")).code == 1
    assert (await run("task", "show", task[:5])).code == 1


async def test_a_tasks_log_shows_what_is_worse_than_asked_and_an_agents_own_lines_for_a_reason(edge: Any, run: Any) -> None:
    task = (await run("task", "submit", "report", "--json")).json()["task"]
    own = [{"at": "2026-01-02T03:04:05.678+00:00", "level": "error", "text": "no\x1b[2J stock", "fields": {"item": "[b]7"}}]
    await edge.gateway.keyring.create("default", task)
    sealed = await edge.gateway.keyring.seal("default", task, "task.log", json.dumps(own).encode())
    said = LogWritten(pack="shop", agent="main", attempt=1, first=1, levels={"error": 1}, lines=sealed)
    await edge.backend.bus.append("log.written", task, said, tenant="default", ordinal="1-1", correlation_id=task)
    await edge.backend.eventually(lambda: any(e.data == said for e in edge.backend.ledger.events))
    closed = (await run("task", "logs", task)).out
    assert "report submitted by admin" in closed
    assert "shop/main logged 1 line (sealed: --reveal REASON opens it)" in closed
    opened = await run("task", "logs", task, "--level", "warning", "--reveal", "stock is wrong")
    assert opened.out.split() == ["2026-01-02", "03:04:05.678", "error", "no\N{REPLACEMENT CHARACTER}[2J", "stock", "item=[b]7"]
    [line] = [
        json.loads(line)
        for line in (await run("task", "logs", task, "--level", "error", "--reveal", "again", "--json")).out.splitlines()
    ]
    assert (line["text"], line["fields"], line["type"]) == ("no\x1b[2J stock", {"item": "[b]7"}, "log.written")
    revealed = [e.data for e in edge.backend.ledger.events if isinstance(e.data, PayloadRevealed)]
    assert [(one.task, one.purpose, one.reason) for one in revealed] == [
        (task, "task.log", "stock is wrong"), (task, "task.log", "again"),
    ]  # fmt: skip
    assert (await run("task", "logs", task, "--level", "loud")).code == 2


async def test_a_tasks_terms_are_changed_and_labels_that_are_not_named_stay(edge: Any, run: Any) -> None:
    task = (await run("task", "submit", "report", "--label", "team=a", "--label", "risk=low", "--json")).json()["task"]
    await edge.backend.eventually(lambda: edge.backend.ledger.events)
    changed = await run("task", "update", task[:8], "--priority", "high", "--label", "team=b", "--label", "risk=", "--json")
    assert changed.code == 0, changed.err
    assert (changed.json()["priority"], changed.json()["labels"], changed.json()["revision"]) == ("high", {"team": "b"}, 1)
    assert "2126-01-31" in (await run("task", "update", task, "--deadline", "2126-01-31T12:00:00Z")).out
    assert (await run("task", "update", task, "--deadline", "none", "--json")).json()["deadline"] is None
    assert (await run("task", "update", task)).code == 2
    assert (await run("task", "update", "no-such-task", "--priority", "low")).code == 1


@pytest.mark.parametrize(("outcome", "code"), [("completed", 0), ("failed", 1)])
async def test_waiting_follows_the_task_to_its_end_and_the_exit_code_tells_it(
    edge: Any, run: Any, outcome: str, code: int
) -> None:
    waiting = asyncio.create_task(run("task", "submit", "report", "--wait"))
    await edge.backend.eventually(lambda: edge.backend.orchestrator.submits)
    task, _ = edge.backend.orchestrator.submits[0]
    await edge.backend.orchestrator.settle(task, outcome=outcome)
    ended = await waiting
    assert ended.code == code, ended.err
    assert "task.submitted" in ended.out
    assert "task.settled" in ended.out
    assert outcome in ended.out


async def test_following_events_prints_one_json_object_a_line(edge: Any, run: Any) -> None:
    made = (await run("task", "submit", "report", "--json")).json()["task"]
    await edge.backend.orchestrator.settle(made)
    followed = await run("task", "show", made, "--follow", "--json")
    lines = [json.loads(line) for line in followed.out.splitlines()]
    assert [line["type"] for line in lines[:2]] == ["task.submitted", "task.settled"]
    assert lines[-1]["outcome"] == "completed"
    listed = await run("events", "--task", made, "--json")
    assert [json.loads(line)["seq"] for line in listed.out.splitlines()] == [line["seq"] for line in lines[:2]]


async def test_approvals_and_the_kill_switch(run: Any) -> None:
    assert "post a reply" in (await run("approval", "list")).out
    assert "<EMAIL_1>" in (await run("approval", "show", "appr1")).out
    assert (await run("approval", "approve", "appr1")).code == 0
    twice = await run("approval", "reject", "appr1")
    assert twice.code == 1
    assert "it was approved before" in twice.err
    switch = (await run("kill", "engage", "pack", "engineering", "--reason", "odd", "--json")).json()["id"]
    assert switch in (await run("kill", "status")).out
    assert (await run("kill", "release", switch, "--reason", "mended")).code == 0
    assert "no switch is engaged" in (await run("kill", "status")).out


async def test_reports_and_audit(edge: Any, run: Any, tmp_path: Path) -> None:
    await edge.backend.announce("engineering", "report")
    assert "0.0123 USD" in (await run("cost", "--by", "model", "--since", "7d", "--until", "2126-01-31")).out
    assert (await run("cost", "--by", "model", "--csv")).out.splitlines()[1].startswith("'=gpt-5-mini,3,")
    assert (await run("cost", "--since", "long ago")).code == 1
    assert "engineering" in (await run("pack", "list")).out
    assert "whole" in (await run("audit", "verify")).out
    assert (await run("audit", "status")).code == 0
    file = tmp_path / "export.jsonl"
    assert (await run("audit", "export", "-o", str(file))).code == 0
    assert file.read_text() == '{"count":2}\n{"closed":true}\n'
    offline = await run("audit", "verify", "--file", str(file), "--json")
    assert offline.code == 1
    assert offline.json()["problems"]


async def test_agents_are_registered_changed_paused_shown_and_taken_off(edge: Any, run: Any, broker: Any) -> None:
    bus = await broker.connect("router")
    bus.consume(AgentRegistry(bus).routes())
    await bus.start()
    await edge.backend.announce("engineering", "report")
    assert "engineering/triage" in (await run("agent", "list")).out
    made = await run("agent", "register", "crew/scout", "--description", "looks [b]ahead", "--label", "site=north", "--json")
    assert (made.code, made.json()["labels"]) == (0, {"site": "north"}), made.err
    assert (await run("agent", "update", "crew/scout", "--silent-after", "30", "--json")).json()["silent_after_s"] == 30
    shown = (await run("agent", "show", "crew/scout")).out
    for word in ("crew/scout", "external", "not seen", "looks [b]ahead", "site=north"):
        assert word in shown
    assert "paused" in (await run("agent", "control", "crew/scout", "pause", "--reason", "a look")).out
    twice = await run("agent", "control", "crew/scout", "pause", "--reason", "a look")
    assert (twice.code, "paused already" in twice.err) == (1, True)
    assert "going on: scout" in (await run("agent", "control", "crew", "resume", "--reason", "fine")).out
    assert "unregistered" in (await run("agent", "unregister", "crew/scout", "--reason", "sold")).out
    assert (await run("agent", "show", "scout")).code == 2
    assert (await run("agent", "update", "crew/scout")).code == 2
    assert (await run("agent", "show", "crew/nobody")).code == 1


async def test_budgets_are_listed_with_whose_they_are_and_what_is_left(broker: Any, run: Any) -> None:
    assert "no budget has been drawn on yet" in (await run("budgets")).out
    budget = Budget.model_validate(
        {"id": "day", "key": {"tenant": "default"}, "metric": "usd", "limit": "25.00", "window": "day", "mode": "soft"}
    )
    state = BudgetState(budget=budget, spent={budget.slot(datetime.now(UTC)): 30_500_000_000_000})
    bucket = (await broker.connect("policy")).bucket("budgets")
    await bucket.put(f"default.{budget.account}", encode_body(state))
    await bucket.put("default.broken", b"?")
    shown = (await run("budgets")).out
    for word in ("day", "tenant default", "exceeded", "30.5", "25 USD (soft)", "unreadable"):
        assert word in shown
    assert (await run("budgets", "--id", "day", "--json")).json()["items"][0]["spent"] == "30.5"


async def test_a_key_is_made_used_and_revoked(edge: Any, run: Any) -> None:
    made = await run("key", "create", "ci", "--role", "viewer", "--json")
    record = made.json()
    refused = await agentos("kill", "engage", "global", "--reason", "x", url=edge.url, AGENTOS_API_KEY=record["key"])
    assert refused.code == 1
    assert "Forbidden" in refused.err
    assert (await run("key", "revoke", record["id"])).code == 0
    assert "revoked" in (await run("key", "list")).out
    gone = await agentos("task", "list", url=edge.url, AGENTOS_API_KEY=record["key"])
    assert gone.code == 1
    assert record["key"] not in gone.err


async def test_failures_are_one_line_with_what_to_do_and_their_exit_code(tmp_path: Path) -> None:
    nobody = await agentos("task", "list", AGENTOS_API_KEY="aos_x_y")
    assert nobody.code == 3
    assert len(nobody.err.strip().splitlines()) == 1
    assert "agentos up" in nobody.err
    keyless = await agentos("task", "list", AGENTOS_DATA=str(tmp_path))
    assert keyless.code == 2
    assert "AGENTOS_API_KEY" in keyless.err
    for arguments in (("task", "submit", "x", "--input", "[1]"), ("task", "submit", "x", "--label", "nothing"), ("nonsense",)):
        assert (await agentos(*arguments, AGENTOS_API_KEY="k")).code == 2


async def test_help_loads_neither_the_http_client_nor_the_services() -> None:
    script = (
        "import sys, agentos.cli.__main__; print([m for m in ('httpx', 'nats', 'fastapi', 'services') if m in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"


async def test_the_audit_trail_is_exported_with_its_verifier_and_events_are_proven(edge: Any, run: Any, tmp_path: Path) -> None:
    verifier, out = tmp_path / "verifier.pyz", tmp_path / "audit.jsonl"
    exported = await run("audit", "export", "--output", str(out), "--with-verifier", str(verifier))
    assert exported.code == 0, exported.err
    assert "verify with: python" in exported.err
    checked = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(verifier), str(out), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, _ = await checked.communicate()
    assert (checked.returncode, told.startswith(b"broken")) == (1, True), "what the stand-in exports is no export"
    proof = tmp_path / "proof.json"
    assert (await run("audit", "prove", "evt.default.task.t1.submitted", "-o", str(proof))).code == 0
    assert json.loads(proof.read_text())["format"] == "agentos-audit-inclusion"
    assert json.loads((await run("audit", "consistency", "5")).out)["format"] == "agentos-audit-consistency"
    broken = await run("audit", "verify", "--proof", str(proof), "--json")
    assert (broken.code, broken.json()["problems"][0]["kind"]) == (1, "malformed")
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_text("")
    assert (await run("audit", "verify", "--anchor", str(anchors))).code == 0


async def test_a_task_is_given_out_revealed_and_erased(edge: Any, run: Any, tmp_path: Path) -> None:
    task = (await run("task", "submit", "report", "--input", "-", "--json", stdin='{"who": "ann@x.org"}')).json()["task"]
    event = f"evt.default.task.{task}.submitted"
    shown = await run("payload", "reveal", event, "--reason", "a complaint")
    assert shown.json()["value"] == {"who": "ann@x.org"}
    refused = await run("privacy", "erase", "--task", task, "--reason", "asked")
    assert (refused.code, "not settled" in refused.err) == (1, True)
    await edge.backend.orchestrator.settle(task)
    out = tmp_path / "held.json"
    given = await run("privacy", "export", "--task", task, "--reason", "access request", "--output", str(out))
    assert given.code == 0, given.err
    assert (out.stat().st_mode & 0o777, json.loads(out.read_text())["tasks"][0]["input"]) == (0o600, {"who": "ann@x.org"})
    erased = await run("privacy", "erase", "--task", task, "--reason", "asked", "--json")
    assert erased.json()["certificate"]["tasks"] == [task]
    assert "certified" in (await run("privacy", "show", erased.json()["id"])).out
    gone = await run("payload", "reveal", event, "--reason", "a complaint")
    assert (gone.code, "erased" in gone.err) == (1, True)
    nobody = await run("privacy", "erase", "--subject", "-", "--reason", "asked", stdin="nobody@x.org\n")
    assert (nobody.code, "nothing is held" in nobody.err) == (1, True)
