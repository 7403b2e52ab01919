"""The service on a real broker: it follows, answers, signs, verifies, exports, stops in order and rebuilds."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, update

from agentos.bus import Bus
from agentos.contracts.channels import BY_NAME
from agentos.contracts.commands import Answer, Query
from services.ledger import tables
from services.ledger.app import rebuild, run
from services.ledger.audit.offline import verify_export
from services.ledger.audit.proof import verify_proof
from services.ledger.handlers import query_token
from services.ledger.settings import Settings
from services.ledger.store import SqlStore, StreamGap
from tests.services.ledger import history


class Edge:
    """What stands around the ledger: every service's publishing, and the gateway's asking."""

    def __init__(self, broker: Any, settings: Settings) -> None:
        self.broker = broker
        self.settings = settings
        self._buses: dict[str, Bus] = {}
        self._requests = count()
        self.stop = asyncio.Event()

    async def bus(self, service: str) -> Bus:
        if service not in self._buses:
            self._buses[service] = await self.broker.connect(service)
        return self._buses[service]

    async def append(self, *planned: history.Planned) -> int:
        seq = 0
        for name, tokens, data, correlation in planned:
            bus = await self.bus(BY_NAME[name].publisher)
            id_, *rest = tokens
            ordinal = rest[0] if rest else None
            done = await bus.append(name, id_, data, tenant="default", ordinal=ordinal, correlation_id=correlation)
            seq = done.seq
        return seq

    async def ask(self, name: str, **arguments: Any) -> Answer:
        gateway, request = await self.bus("gateway"), f"r{next(self._requests)}"
        answers = gateway.tail((f"ans.ledger.{request}",), stream="ANSWERS", start="first").updates()
        try:
            asked = Query(tenant="default", arguments=arguments)
            await gateway.send("ledger.query", (query_token(name), request), asked, tenant="default")
            async with asyncio.timeout(120):
                async for raw in answers:
                    if raw is not None:
                        answer = (await gateway.decode(raw)).data
                        assert isinstance(answer, Answer)
                        return answer
        finally:
            await answers.aclose()
        raise AssertionError("the tail ended")

    async def data(self, name: str, **arguments: Any) -> Any:
        answer = await self.ask(name, **arguments)
        assert answer.ok, answer
        return answer.data

    def store(self) -> SqlStore:
        return SqlStore(self.settings.database)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """The ledger, started and stopped in order."""
        self.stop = asyncio.Event()
        serving = asyncio.create_task(run(self.settings, self.broker.settings("ledger"), self.stop))
        try:
            yield
        finally:
            self.stop.set()
            await serving


@pytest.fixture
def edge(broker: Any, tmp_path: Path) -> Callable[..., Edge]:
    def make(**changes: Any) -> Edge:
        defaults: dict[str, Any] = {
            "database_url": SecretStr(f"sqlite:///{tmp_path}/ledger/ledger.db"),
            "audit_key_file": tmp_path / "ledger" / "audit.key",
            "checkpoint_events": 1_000_000,
            "checkpoint_interval": timedelta(hours=1),
            "batch_linger": timedelta(milliseconds=1),
        }
        return Edge(broker, Settings(**(defaults | changes)))

    return make


async def test_a_query_reads_what_its_asker_has_written(edge: Callable[..., Edge]) -> None:
    around = edge()
    async with around.running():
        seq = await around.append(*history.life("t1"))
        told = await around.data("tasks.get", id="t1", min_seq=seq)
        assert told["task"]["outcome"] == "completed"
        status = await around.data("ledger.status")
        assert (status["position"], status["lag"], status["undecodable"]) == (seq, 0, 0)


async def test_bad_questions_get_answers_that_name_the_field(edge: Callable[..., Edge]) -> None:
    around = edge(behind_wait=timedelta(milliseconds=50))
    async with around.running():
        for name, arguments, code, detail in (
            ("tasks.list", {"limit": 501}, "bad_query", "limit"),
            ("tasks.list", {"colour": "red"}, "bad_query", "colour"),
            ("tasks.list", {"cursor": "x"}, "bad_query", "cursor"),
            ("tasks.get", {}, "bad_query", "id"),
            ("tasks.get", {"id": "none"}, "not_found", "none"),
            ("cost", {"by": ["mood"]}, "bad_query", "by"),
            ("audit.export", {"cursor": "5-9999"}, "bad_query", "cursor"),
            ("tea.make", {}, "unknown_query", "tasks.list"),
            ("tasks.list", {"min_seq": 10**6}, "behind", "ask again"),
        ):
            answer = await around.ask(name, **arguments)
            assert (answer.ok, answer.code) == (False, code), answer
            assert detail in answer.detail


async def test_who_would_rather_not_wait_long_waits_for_what_is_near_alone(edge: Callable[..., Edge]) -> None:
    around = edge(behind_wait=timedelta(0), batch_events=10)
    async with around.running():
        seq = await around.append(*history.life("t1"))
        assert (await around.data("tasks.get", id="t1", min_seq=seq, wait_ms=10_000))["task"]["outcome"] == "completed"
        # A hundred events ahead may come in a moment, and did not in this one; what is farther off is not waited for at all.
        for ahead, wait_ms in ((100, 1), (101, 10_000)):
            async with asyncio.timeout(9):
                assert (await around.ask("tasks.list", min_seq=seq + ahead, wait_ms=wait_ms)).code == "behind"


async def test_the_chain_is_signed_verified_and_exported(edge: Callable[..., Edge], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ledger.trail.EXPORT_LINES", 7)
    around = edge(checkpoint_events=19)
    async with around.running():
        seq = await around.append(*history.life("t1"), *history.governance())
        status = await around.data("audit.status", min_seq=seq + 1)
        assert status["checkpoints"] >= 1
        verdict = await around.data("audit.verify")
        assert (verdict["ok"], verdict["problems"], verdict["checkpoints"]) == (True, [], status["checkpoints"])
        lines, cursor = [], None
        while True:
            page = await around.data("audit.export", **({"cursor": cursor} if cursor else {}))
            lines += page["lines"]
            cursor = page["cursor"]
            if cursor is None:
                break
        offline = verify_export([f"{line}\n".encode() for line in lines], public_key=base64.b64decode(status["public_key"]))
        assert (offline.ok, offline.problems, offline.checkpoints >= 1) == (True, [], True)
        assert offline.events == len(lines) - 2 >= seq


async def test_one_event_and_the_growth_of_the_log_are_proven_to_whoever_has_the_proof_alone(edge: Callable[..., Edge]) -> None:
    around = edge(checkpoint_interval=timedelta(milliseconds=40))

    async def signed(seq: int) -> Any:
        while True:
            status = await around.data("audit.status", min_seq=seq)
            if status["last_checkpoint"] is not None and status["last_checkpoint"]["seq"] >= seq:
                return status

    async with around.running():
        first = (await signed(await around.append(*history.life("t1"))))["last_checkpoint"]["seq"]
        status = await signed(await around.append(*history.life("t2")))
        assert abs(datetime.now(UTC) - datetime.fromisoformat(status["last_checkpoint"]["time"])) < timedelta(minutes=10)
        key = base64.b64decode(status["public_key"])
        subject = "evt.default.task.t1.submitted"
        for arguments in ({"event": subject}, {"event": subject, "checkpoint": first}):
            line = (await around.data("audit.prove", **arguments))["proof"].encode()
            verdict = verify_proof(line, public_key=key)
            assert (verdict.ok, verdict.problems, verdict.last_seq) == (True, [], 1)
            assert subject in line.decode()
            assert b".t2." not in line, "a proof tells nothing of other events"
        (row,) = (await around.data("events.list", aggregate="task", id="t2", fact="submitted"))["events"]
        by_id = (await around.data("audit.prove", event=row["event_id"]))["proof"].encode()
        assert verify_proof(by_id, public_key=key).last_seq == row["seq"]
        growth = (await around.data("audit.consistency", first=first))["proof"].encode()
        assert (verify_proof(growth, public_key=key).ok, first < status["last_checkpoint"]["seq"]) == (True, True)
        for name, arguments, code in (
            ("audit.prove", {"event": "evt.other.task.t1.submitted"}, "not_found"),
            ("audit.prove", {"event": "evt.default.task.t2.settled.1", "checkpoint": first}, "not_signed_yet"),
            ("audit.prove", {"event": subject, "checkpoint": 3}, "not_signed_yet"),
            ("audit.consistency", {"first": 3}, "not_found"),
            ("audit.consistency", {"first": status["last_checkpoint"]["seq"], "second": first}, "not_found"),
        ):
            assert (await around.ask(name, **arguments)).code == code, (name, arguments)
        store = around.store()
        with store._writer.begin() as tx:
            tx.execute(update(tables.audit_chain).where(tables.audit_chain.c.seq == 1).values(hash=bytes(32)))
        store.close()
        assert (await around.ask("audit.prove", event=subject)).code == "chain_broken"


async def test_a_family_of_tasks_and_an_event_by_its_id_are_found(edge: Callable[..., Edge]) -> None:
    around = edge()
    async with around.running():
        seq = await around.append(*history.life("t1"))
        (row,) = (await around.data("events.list", aggregate="task", id="t1", fact="submitted", min_seq=seq))["events"]
        family = row["body"]["input"]["key"]
        tasks = (await around.data("tasks.family", families=[family, "none"]))["tasks"]
        assert [(task["id"], task["family"], task["state"]) for task in tasks] == [("t1", family, "settled")]
        assert (await around.data("events.find", id=row["event_id"]))["subject"] == row["subject"]
        assert (await around.ask("events.find", id="none")).code == "not_found"


async def test_a_checkpoint_calls_for_no_other_checkpoint(edge: Callable[..., Edge]) -> None:
    around = edge(checkpoint_interval=timedelta(milliseconds=40))
    async with around.running():
        await around.append(history.submitted("t1"))
        await around.data("audit.status", min_seq=2)
        await asyncio.sleep(0.3)
        status = await around.data("audit.status")
        assert (status["position"], status["checkpoints"], status["uncovered"]) == (2, 1, 0)


async def test_a_change_in_the_database_is_found_by_the_live_verification(edge: Callable[..., Edge]) -> None:
    around = edge()
    async with around.running():
        await around.data("ledger.status", min_seq=await around.append(*history.life("t1")))
        store = around.store()
        with store._writer.begin() as tx:
            tx.execute(update(tables.audit_chain).where(tables.audit_chain.c.seq == 5).values(hash=bytes(32)))
            tx.execute(delete(tables.audit_chain).where(tables.audit_chain.c.seq == 9))
        store.close()
        verdict = await around.data("audit.verify")
        assert {(p["place"], p["kind"]) for p in verdict["problems"]} >= {("seq 5", "changed"), ("seq 9", "missing")}


async def test_a_stopped_ledger_goes_on_where_it_stood(edge: Callable[..., Edge]) -> None:
    around = edge()
    planned = history.life("t1")
    async with around.running():
        seq = await around.append(*planned[:7])
        await around.data("ledger.status", min_seq=seq)
    seq = await around.append(*planned[7:])
    async with around.running():
        told = await around.data("tasks.get", id="t1", min_seq=seq)
        assert (told["task"]["outcome"], told["task"]["calls"]) == ("completed", 1)


async def test_the_process_ends_in_order_when_it_is_told_to(edge: Callable[..., Edge]) -> None:
    around = edge()
    broker = around.broker.settings("ledger")
    environment = {
        **os.environ,
        "AGENTOS_NATS_URL": broker.url,
        "AGENTOS_NATS_PASSWORD": broker.password.get_secret_value(),
        "AGENTOS_LEDGER_DATABASE_URL": around.settings.database,
        "AGENTOS_LEDGER_AUDIT_KEY_FILE": str(around.settings.audit_key),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ledger", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        seq = await around.append(*history.life("t1"))
        assert (await around.data("tasks.get", id="t1", min_seq=seq))["task"]["outcome"] == "completed"
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    again = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ledger", "rebuild", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    assert await again.wait() == 0
    store = around.store()
    assert store.head().seq == seq
    store.close()


async def test_large_payloads_and_large_answers_travel_by_claim_check(edge: Callable[..., Edge]) -> None:
    around = edge()
    labels = {f"label{number}": "x" * 1_000 for number in range(400)}
    async with around.running():
        seq = await around.append(*(history.submitted(f"big{number}", labels=labels) for number in range(3)))
        page = await around.data("tasks.list", min_seq=seq)
        assert [task["labels"] for task in page["tasks"]] == [labels] * 3
        assert (await around.data("audit.verify"))["ok"]


async def test_the_ledger_deleted_and_rebuilt_is_equal_row_by_row(edge: Callable[..., Edge]) -> None:
    around = edge(checkpoint_events=10)
    async with around.running():
        seq = await around.append(*history.life("t1"), *history.life("t2", outcome="failed"), *history.governance())
        await around.data("ledger.status", min_seq=seq)
        gateway = await around.bus("gateway")
        await gateway.client.publish("qry.ledger.cost.bad", b"no JSON")  # becomes a dead letter
        letters = (await around.bus("ledger")).tail(("dlq.>",), stream="DLQ", start="first").updates()
        while await anext(letters) is None:
            pass
        await letters.aclose()
    # What the ledger wrote last itself, a checkpoint, may not have been folded before it stopped.
    broker = around.broker.settings("ledger")
    await rebuild(around.settings, broker, asyncio.Event())
    store = around.store()
    before = history.dump(store)
    assert len(before["tasks"]) == 2
    assert len(before["dead_letters"]) == 1
    store.close()
    path = Path(around.settings.database.removeprefix("sqlite:///"))
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    rebuilt = await rebuild(around.settings, broker, asyncio.Event())
    assert rebuilt.same_chain
    store = around.store()
    assert history.dump(store) == before
    store.close()


async def test_a_ledger_does_not_follow_a_stream_that_was_replaced(edge: Callable[..., Edge]) -> None:
    around = edge()
    await around.append(*history.life("other"))
    store = around.store()
    store.migrate()
    store.apply(history.stream(history.life("t1")))
    with pytest.raises(StreamGap, match="changed or replaced"):
        await run(around.settings, around.broker.settings("ledger"), asyncio.Event())
    store.apply(history.stream(history.life("t2"), 20))
    store.close()
    with pytest.raises(StreamGap, match="ends before it"):
        await run(around.settings, around.broker.settings("ledger"), asyncio.Event())
    rebuilt = await rebuild(around.settings, around.broker.settings("ledger"), asyncio.Event())
    assert (rebuilt.position, rebuilt.same_chain) == (19, False)
