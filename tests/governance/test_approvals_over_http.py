"""Approvals as people meet them: over HTTP and by the command line, with the real gates, policy, worker and ledger behind."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentos.contracts.base import Principal
from services.gateway.app import create_app, open_gateway
from services.gateway.server import serve_app
from services.gateway.settings import Settings
from services.ledger import app as ledger
from services.ledger.settings import Settings as LedgerSettings
from tests.conftest import Broker
from tests.governance.scenario import TENANT, until
from tests.services.gates.house import House, house_of

ADMIN = Principal(kind="service", id="test")


class Desk:
    """A house with a served gateway before it and a ledger behind it."""

    def __init__(self, house: House, url: str, keys: dict[str, str]) -> None:
        self.house, self.url, self.keys = house, url, keys
        self.clients = {
            name: httpx.AsyncClient(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=60)
            for name, key in keys.items()
        }

    async def post(self, who: str, path: str, body: Any) -> tuple[int, Any]:
        answer = await self.clients[who].post(path, json=body)
        return answer.status_code, answer.json()

    async def get(self, who: str, path: str, **query: Any) -> Any:
        answer = await self.clients[who].get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def shown(self, approval: str, **wanted: Any) -> dict[str, Any]:
        """The approval as the ledger tells it, once it has caught up."""

        async def look() -> dict[str, Any] | None:
            answer = await self.clients["anna"].get(f"/approvals/{approval}")
            row = answer.json()
            return row if answer.status_code == 200 and all(row[name] == value for name, value in wanted.items()) else None

        return await until(look)


@pytest.fixture
async def desk(broker: Broker, tmp_path: Path) -> AsyncIterator[Desk]:
    settings = Settings(port=0, data=tmp_path / "data", answer_timeout=timedelta(seconds=20))
    settings.master_key.parent.mkdir(parents=True)
    async with house_of(broker, tmp_path / "data" / "house") as house:
        # One master key for all, as in an installation.
        settings.master_key.write_bytes((tmp_path / "data" / "house" / "keys" / "master.key").read_bytes())
        settings.master_key.chmod(0o600)
        stop = asyncio.Event()
        folding = asyncio.create_task(ledger.run(LedgerSettings(data=tmp_path / "data"), broker.settings("ledger"), stop))
        async with (
            open_gateway(settings, await broker.connect("gateway")) as gateway,
            serve_app(create_app(gateway), "127.0.0.1", 0, timedelta(seconds=2), gateway.draining.set) as served,
        ):
            keys = {"admin": settings.admin_key_path.read_text().strip()}
            for name, role in (("anna", "approver"), ("bert", "approver"), ("carl", "approver"), ("vera", "viewer")):
                _, keys[name] = await gateway.api_keys.create(name, name, (role,), TENANT, ADMIN)  # pyright: ignore[reportArgumentType]
            made = Desk(house, served.url, keys)
            yield made
            for client in made.clients.values():
                await client.aclose()
        stop.set()
        await folding


async def test_a_quorum_with_an_edit_and_remarks_from_the_inbox_to_the_answer(desk: Desk) -> None:
    await desk.house.hold(quorum=2)
    row = await desk.shown("c1", state="pending")
    assert (row["quorum"], row["approvals"], row["target"], row["requester"]) == (2, 0, "github.comment", "ops")
    assert [a["id"] for a in (await desk.get("anna", "/approvals", mine=True))["items"]] == ["c1"]
    assert (await desk.get("vera", "/approvals", mine=True))["items"] == []

    status, said = await desk.post(
        "anna", "/approvals/c1/resolve", {"outcome": "approved", "digest": row["digest"], "comment": "Ada agrees"}
    )
    assert (status, said["state"], said["approvals"]) == (200, "pending", 1)
    assert (await desk.post("bert", "/approvals/c1/comment", {"text": "Shorter, please"}))[0] == 201
    status, edited = await desk.post(
        "bert", "/approvals/c1/edit", {"digest": row["digest"], "arguments": {"to": "<EMAIL_1>", "body": "Hi"}}
    )
    assert (status, edited["diff"]) == (200, [{"op": "replace", "path": "/body", "old": "Hello", "new": "Hi"}])

    status, problem = await desk.post("carl", "/approvals/c1/resolve", {"outcome": "approved", "digest": row["digest"]})
    assert (status, problem["code"], problem["digest"], problem["changes"]) == (409, "edited", edited["digest"], edited["diff"])
    row = await desk.shown("c1", revision=1)
    assert (row["digest"], row["votes"], row["diff"]) == (edited["digest"], [], edited["diff"])
    assert [edit["by"] for edit in row["edits"]] == ["bert"]
    for who, state in (("anna", "pending"), ("carl", "approved")):
        status, said = await desk.post(who, "/approvals/c1/resolve", {"outcome": "approved", "digest": row["digest"]})
        assert (status, said["state"]) == (200, state)
    row = await desk.shown("c1", state="approved")
    assert {vote["by"] for vote in row["votes"]} == {"anna", "carl"}
    assert row["history"] == {"approved": 1}
    assert [(r["by"], r["text"]) for r in row["remarks"]] == [("anna", "Ada agrees"), ("bert", "Shorter, please")]
    assert {r["state"] for r in (await desk.get("vera", "/approvals/c1"))["remarks"]} == {"sealed"}
    assert (await desk.house.settled()).outcome == "completed"
    assert desk.house.desk.done == [("c1", {"to": "ada@example.org", "body": "Hi"})]


async def test_a_bulk_answers_like_requests_one_by_one_and_says_what_became_of_each(desk: Desk) -> None:
    for number in range(3):
        await desk.house.hold(f"c{number}", {"body": f"Hello {number}"})
    await desk.house.hold_model("m1")
    await desk.shown("m1", state="pending")
    alike = (await desk.get("anna", "/approvals", like="c0", state="pending"))["items"]
    assert {a["id"] for a in alike} == {"c0", "c1", "c2"}
    other = await desk.shown("m1")
    digests = {a["id"]: a["digest"] for a in alike} | {"m1": other["digest"], "c2": "0" * 64, "nothing": "d"}
    status, said = await desk.post(
        "anna", "/approvals/bulk", {"outcome": "approved", "digests": digests, "like": "c0", "comment": "ok"}
    )
    assert status == 200
    result = {row["id"]: row.get("code", row.get("state")) for row in said["items"]}
    assert result == {"c0": "approved", "c1": "approved", "c2": "digest_unknown", "m1": "not_alike", "nothing": "not_alike"}
    many = {f"x{number}": "d" for number in range(101)}
    assert (await desk.post("anna", "/approvals/bulk", {"outcome": "approved", "digests": many}))[0] == 422
    status, said = await desk.post("anna", "/approvals/bulk", {"outcome": "approved", "digests": {"nothing": "d"}})
    assert said["items"][0]["code"] == "not_found"


async def test_a_delegation_over_http_is_for_a_live_key_and_ends_with_the_delegators(desk: Desk) -> None:
    await desk.house.hold()
    await desk.shown("c1", state="pending")
    until_ = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    lend = {"to": "vera", "until": until_, "reason": "holiday"}
    assert (await desk.post("anna", "/delegations", lend | {"to": "nobody"}))[0] == 422
    assert (await desk.post("vera", "/delegations", lend | {"to": "anna"}))[0] == 403
    assert (await desk.post("anna", "/delegations", lend | {"roles": ["admin"]}))[1]["code"] == "role_not_held"
    too_long = (datetime.now(UTC) + timedelta(days=91)).isoformat()
    assert (await desk.post("anna", "/delegations", lend | {"until": too_long}))[1]["code"] == "too_long"
    status, granted = await desk.post("anna", "/delegations", lend | {"to": "bert"})
    assert status == 201
    assert [d["id"] for d in (await desk.get("vera", "/delegations"))["items"]] == [granted["id"]]
    body = {"outcome": "approved", "digest": await desk.house.digest(), "delegation": granted["id"]}
    assert (await desk.post("carl", "/approvals/c1/resolve", body))[1]["code"] == "delegation_not_found"
    assert (await desk.clients["admin"].delete("/keys/anna")).status_code == 200
    assert (await desk.post("bert", "/approvals/c1/resolve", body))[1]["code"] == "delegator_revoked"
    assert (await desk.post("bert", f"/delegations/{granted['id']}/revoke", {"reason": "over"}))[0] == 200
    assert (await desk.get("vera", "/delegations"))["items"] == []


async def test_what_makes_no_sense_is_refused_by_its_field(desk: Desk) -> None:
    await desk.house.hold()
    digest = await desk.house.digest()
    for path, body in (
        ("/approvals/c1/resolve", {"outcome": "approved"}),
        ("/approvals/c1/resolve", {"outcome": "approved", "digest": digest, "extra": 1}),
        ("/approvals/c1/edit", {"digest": digest}),
        ("/approvals/c1/edit", {"digest": digest, "request": {"messages": []}}),
        ("/approvals/c1/comment", {"text": ""}),
        ("/approvals/bulk", {"outcome": "approved", "digests": {}}),
    ):
        status, problem = await desk.post("anna", path, body)
        assert (status, problem["code"]) == (422, "invalid_request"), (path, body, problem)
    assert (await desk.post("vera", "/approvals/c1/comment", {"text": "x"}))[0] == 403
    assert (await desk.post("anna", "/approvals/none/comment", {"text": "x"}))[0] == 404


async def test_the_command_line_shows_edits_and_answers(desk: Desk, tmp_path: Path) -> None:
    await desk.house.hold()
    await desk.shown("c1", state="pending")
    wanted = tmp_path / "arguments.json"
    wanted.write_text(json.dumps({"to": "<EMAIL_1>", "body": "Hi there"}))
    code, out = await _run(desk, "bert", "approval", "edit", "c1", "--file", str(wanted))
    assert code == 0, out
    assert "- Hello" in out
    assert "+ Hi there" in out
    await desk.shown("c1", revision=1)
    code, out = await _run(desk, "anna", "approval", "approve", "c1", "-m", "fine")
    assert code == 0, out
    assert "c1 is approved: approved" in out
    code, out = await _run(desk, "anna", "approval", "comment", "c1", "done")
    assert code == 0, out
    await desk.shown("c1", comments=1)
    code, out = await _run(desk, "anna", "approval", "show", "c1")
    assert "fine" in out
    for number in (2, 3):
        await desk.house.hold(f"c{number}", {"body": f"Hello {number}"})
        await desk.shown(f"c{number}", state="pending")
    code, out = await _run(desk, "anna", "approval", "bulk", "rejected", "--like", "c2", "--yes")
    assert code == 0, out
    assert out.count("rejected") >= 2
    code, out = await _run(desk, "anna", "delegation", "grant", "bert", "--days", "2", "--reason", "away")
    assert code == 0, out
    assert "away" in (await _run(desk, "anna", "delegation", "list"))[1]


async def _run(desk: Desk, who: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agentos.cli", "--url", desk.url, "--key", desk.keys[who], *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()
