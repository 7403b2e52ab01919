"""Durable consumption: what a handler raises decides, a crash gives the message to another, nothing blocks what is behind it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.aio.client import Client

from agentos.bus import Route, topology
from agentos.contracts.channels import BY_NAME
from agentos.contracts.envelope import Meta, Recorded, digest, encode_body, encode_headers
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.contracts.events.governance import DeadLetter
from agentos.contracts.ids import new_id
from tests.bus.conftest import Seen, Site, cancel, consuming, on_one_server

CANCEL = "orchestrator.cancel"
DURABLE = "orchestrator-orchestrator-cancel"


async def dead_letters(site: Site, tenant: str, count: int = 1) -> list[Recorded]:
    """The tenant's dead letters, as the ledger reads them."""
    ledger = await site.connect("ledger")
    found: list[Recorded] = []
    async with asyncio.timeout(120):
        async for raw in ledger.tail(("dlq.>",), stream="DLQ", start="first"):
            recorded = await ledger.decode(raw)
            if recorded.meta.tenant == tenant:
                found.append(recorded)
            if len(found) == count:
                return found
    raise AssertionError("the tail ended")


async def advisory(site: Site, kind: str, seq: int) -> dict[str, Any]:
    """The broker's own word on a message, from the stream that keeps it."""
    ledger = await site.connect("ledger")
    async with asyncio.timeout(120):
        async for raw in ledger.tail((f"$JS.EVENT.ADVISORY.CONSUMER.{kind}.>",), stream="DLQ", start="first"):
            body = json.loads(raw.body)
            if body["stream"] == "COMMANDS" and body["stream_seq"] == seq:
                return body
    raise AssertionError("the tail ended")


async def api_call(client: Client, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    reply = await client.request(f"$JS.API.{what}", json.dumps(body or {}).encode(), timeout=60)
    answer: dict[str, Any] = json.loads(reply.data)
    return answer


async def raw_command(site: Site, subject: str, headers: dict[str, str], body: bytes) -> int:
    client = await site.raw("gateway")
    reply = await client.request(subject, body, headers=headers, timeout=60)
    return int(json.loads(reply.data)["seq"])


def headers_of(tenant: str, schema: str = "orchestrator.cancel/1") -> dict[str, str]:
    return encode_headers(Meta(new_id(), schema, tenant, "c", "e", datetime.now(UTC)))


async def test_what_is_sent_is_handled_with_its_envelope_and_then_gone(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    orchestrator = await consuming(site, "orchestrator", CANCEL, seen)
    await gateway.send(CANCEL, ("c1",), cancel(tenant), tenant=tenant, correlation_id="task-7")
    (recorded,) = await seen.wait(1)
    assert recorded.subject == "cmd.orchestrator.cancel.c1"
    assert recorded.data == cancel(tenant)
    assert recorded.meta.correlation_id == "task-7"
    await orchestrator.drain()
    admin = await site.raw(topology.PROVISIONER)
    async with asyncio.timeout(120):
        while (await api_call(admin, f"CONSUMER.INFO.COMMANDS.{DURABLE}"))["num_ack_pending"]:
            await asyncio.sleep(0.05)
        # On several replicas the message goes a moment after its acknowledgement was counted.
        while "error" not in (gone := await api_call(admin, "STREAM.MSG.GET.COMMANDS", {"seq": recorded.seq})):
            await asyncio.sleep(0.05)
    assert gone["error"]["code"] == 404


def pulls_of(client: Client, lost: int = 0) -> list[int]:
    """The sizes of the requests for cancel commands that ``client`` makes from now on; the first ``lost`` never reach the broker."""
    asked: list[int] = []
    publish = client.publish

    async def watched(subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None) -> None:
        if subject == f"$JS.API.CONSUMER.MSG.NEXT.COMMANDS.{DURABLE}":
            asked.append(json.loads(payload)["batch"])
            if len(asked) <= lost:
                return
        await publish(subject, payload, reply, headers)

    client.publish = watched
    return asked


async def test_as_many_messages_as_may_be_handled_at_once_are_asked_for_before_they_are_there(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    orchestrator = await site.connect("orchestrator")
    asked = pulls_of(orchestrator.client)
    orchestrator.consume([Route(CANCEL, seen, concurrency=8)])
    await orchestrator.start()
    assert asked == [8]
    for number in range(32):
        await gateway.send(CANCEL, (f"{number}",), cancel(tenant), tenant=tenant)
    await seen.wait(32)
    assert sum(asked) >= 32


async def test_requests_that_the_broker_lost_are_noticed_by_its_silence(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    orchestrator = await site.connect("orchestrator")
    asked = pulls_of(orchestrator.client, lost=1)
    orchestrator.consume([Route(CANCEL, seen)])
    await orchestrator.start()
    await gateway.send(CANCEL, ("x",), cancel(tenant), tenant=tenant)
    await seen.wait(1)
    assert asked[:2] == [16, 16]


async def test_what_the_broker_sends_beyond_the_concurrency_waits_and_is_given_back_by_a_drain(site: Site, tenant: str) -> None:
    """Requests that only seemed lost are asked twice."""
    gateway, release = await site.connect("gateway"), asyncio.Event()

    async def act(_: Recorded) -> None:
        await release.wait()

    seen = Seen(tenant, act)
    orchestrator = await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    reader = orchestrator._consumption._readers[CANCEL]
    assert reader.pull is not None
    await reader.pull.renew()
    for name in ("a", "b"):
        await gateway.send(CANCEL, (f"{tenant}-{name}",), cancel(tenant), tenant=tenant)
    async with asyncio.timeout(120):
        while not reader.waiting:
            await asyncio.sleep(0.02)
    assert len(seen.recorded) == 1
    release.set()
    await seen.wait(2)
    release.clear()
    await reader.pull.renew()
    await reader.pull.renew()
    for name in ("c", "d"):
        await gateway.send(CANCEL, (f"{tenant}-{name}",), cancel(tenant), tenant=tenant)
    async with asyncio.timeout(120):
        while not reader.waiting:
            await asyncio.sleep(0.02)
    await orchestrator.drain(timedelta(milliseconds=100))
    again = Seen(tenant)
    await consuming(site, "orchestrator", CANCEL, again)
    await again.wait(2)
    assert sorted(subject[-1] for subject in again.subjects) == ["c", "d"]


async def test_sending_the_same_command_for_the_same_cause_delivers_it_once(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    meta = Meta("e1", CANCEL + "/1", tenant, "c", "e1", datetime.now(UTC))
    cause = Recorded("cmd.orchestrator.cancel.x", BY_NAME[CANCEL], meta, cancel(tenant), 1)
    for _ in range(3):
        await gateway.send(CANCEL, (f"{tenant}-same",), cancel(tenant), tenant=tenant, cause=cause)
    await gateway.send(CANCEL, (f"{tenant}-last",), cancel(tenant), tenant=tenant)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await seen.wait(2)
    assert [subject.rsplit("-", 1)[1] for subject in seen.subjects] == ["same", "last"]


async def test_retry_later_comes_again_and_does_not_hold_up_the_next(site: Site, tenant: str) -> None:
    gateway = await site.connect("gateway")
    tries: list[str] = []

    async def act(recorded: Recorded) -> None:
        tries.append(recorded.subject[-1])
        if recorded.subject.endswith("a") and tries.count("a") < 3:
            raise RetryLater("not yet", delay=timedelta(milliseconds=50))

    seen = Seen(tenant, act)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await gateway.send(CANCEL, ("a",), cancel(tenant), tenant=tenant)
    await gateway.send(CANCEL, ("b",), cancel(tenant), tenant=tenant)
    await seen.wait(4)
    assert sorted(tries) == ["a", "a", "a", "b"]
    assert tries.index("b") < 3


async def test_never_retry_is_a_dead_letter_with_the_reason_and_the_next_is_served(site: Site, tenant: str) -> None:
    gateway = await site.connect("gateway")

    async def act(recorded: Recorded) -> None:
        if recorded.subject.endswith("bad"):
            raise NeverRetry("the task is of no type that exists", code="unknown_type")

    seen = Seen(tenant, act)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await gateway.send(CANCEL, ("bad",), cancel(tenant), tenant=tenant)
    await gateway.send(CANCEL, ("good",), cancel(tenant), tenant=tenant)
    bad, good = await seen.wait(2)
    assert good.subject.endswith("good")
    (letter,) = await dead_letters(site, tenant)
    assert letter.subject == f"dlq.orchestrator.{DURABLE}.COMMANDS-{bad.seq}"
    assert isinstance(letter.data, DeadLetter)
    assert letter.data.code == "unknown_type"
    assert letter.data.detail == "the task is of no type that exists"
    assert (letter.data.stream, letter.data.seq, letter.data.subject) == ("COMMANDS", bad.seq, "cmd.orchestrator.cancel.bad")
    assert letter.data.deliveries == 1
    assert letter.data.body_digest == digest(encode_body(cancel(tenant)))
    assert (await advisory(site, "MSG_TERMINATED", bad.seq))["consumer"] == DURABLE


async def test_a_message_is_buried_once_however_often_it_is_tried(site: Site, tenant: str) -> None:
    """The dead letter was written and the broker lost our termination: the second burial finds the first."""
    policy = await site.connect("policy")
    now = datetime.now(UTC)
    letter = DeadLetter(
        service="policy",
        consumer="c",
        subject="s",
        stream="EVENTS",
        seq=1,
        deliveries=1,
        code="x",
        detail="x",
        body_digest="d",
        at=now,
    )
    for _ in range(2):
        await policy.send("dlq.policy", (tenant, "EVENTS-1"), letter, tenant=tenant)
    await policy.send("dlq.policy", (tenant, "EVENTS-2"), letter, tenant=tenant)
    letters = await dead_letters(site, tenant, 2)
    assert [found.subject.rsplit("-", 1)[1] for found in letters] == ["1", "2"]


async def test_a_defect_is_tried_again_and_then_buried_without_its_text(
    site: Site, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exception's message may hold anything, so it goes to the logs, not into the log that is kept for ever."""
    monkeypatch.setattr("agentos.bus.consume.DEFECT_TRIES", 2)
    # Three seconds: on a busy machine the other message may take one.
    monkeypatch.setattr("agentos.bus.consume.DEFECT_PAUSE_S", 1.5)
    gateway = await site.connect("gateway")

    async def act(recorded: Recorded) -> None:
        if recorded.subject.endswith("bad"):
            raise KeyError("4111 1111 1111 1111")

    seen = Seen(tenant, act)
    # Both are there before the first is handled: its pause is then no race with the sending of the second.
    await gateway.send(CANCEL, ("bad",), cancel(tenant), tenant=tenant)
    await gateway.send(CANCEL, ("good",), cancel(tenant), tenant=tenant)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await seen.wait(3)
    assert [subject.rsplit(".", 1)[1] for subject in seen.subjects] == ["bad", "good", "bad"]
    (letter,) = await dead_letters(site, tenant)
    assert isinstance(letter.data, DeadLetter)
    assert (letter.data.code, letter.data.deliveries) == ("handler_failed", 2)
    assert "KeyError" in letter.data.detail
    assert "4111" not in letter.data.detail


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("schema", "unknown_schema"),
        ("body", "bad_payload"),
        ("no_json", "bad_payload"),
        ("headers", "bad_envelope"),
        ("claim", "bad_claim"),
    ],
)
async def test_a_message_that_cannot_be_read_is_buried_and_says_why(site: Site, tenant: str, what: str, code: str) -> None:
    seen = Seen(tenant)
    headers, body = headers_of(tenant), encode_body(cancel(tenant))
    match what:
        case "schema":
            headers["Agentos-Schema"] = "orchestrator.cancel/99"
        case "body":
            body = b'{"tenant": "x", "secret": "4111 1111 1111 1111"}'
        case "no_json":
            body = b"\xff\x00 4111 1111 1111 1111"
        case "headers":
            del headers["Agentos-Time"]
        case _:
            headers["Agentos-Claim"] = "*.999999999999"
    seq = await raw_command(site, "cmd.orchestrator.cancel.x", headers, body)
    await raw_command(site, "cmd.orchestrator.cancel.y", headers_of(tenant), encode_body(cancel(tenant)))
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await seen.wait(1)
    assert seen.subjects == ["cmd.orchestrator.cancel.y"]
    (letter,) = await dead_letters(site, tenant)
    assert isinstance(letter.data, DeadLetter)
    assert (letter.data.code, letter.data.seq) == (code, seq)
    assert "4111" not in letter.data.detail
    if what == "schema":
        assert "orchestrator.cancel/99" in letter.data.detail
        assert "orchestrator.cancel/1" in letter.data.detail


async def test_a_message_without_any_headers_is_buried_as_nobodys(site: Site) -> None:
    before = new_id()
    seq = await raw_command(site, f"cmd.orchestrator.cancel.{before}", {}, b"hello")
    await consuming(site, "orchestrator", CANCEL, Seen("nobody"))
    letters = [letter for letter in await _letters_until(site, seq) if letter.data.seq == seq]
    assert letters[0].meta.tenant == "unknown"
    assert letters[0].data.code == "bad_envelope"


async def _letters_until(site: Site, seq: int) -> list[Any]:
    ledger = await site.connect("ledger")
    found: list[Any] = []
    async with asyncio.timeout(120):
        async for raw in ledger.tail(("dlq.orchestrator.>",), stream="DLQ", start="first"):
            found.append(await ledger.decode(raw))
            if found[-1].data.seq == seq:
                return found
    raise AssertionError("the tail ended")


async def test_what_a_crashed_instance_held_goes_to_another(site: Site, tenant: str) -> None:
    gateway = await site.connect("gateway")
    crashed = await site.raw("orchestrator")
    await consuming_nothing(site)
    await gateway.send(CANCEL, (f"{tenant}-held",), cancel(tenant), tenant=tenant)
    reply = await crashed.request(f"$JS.API.CONSUMER.MSG.NEXT.COMMANDS.{DURABLE}", b"1", timeout=60, old_style=True)
    assert reply.subject.endswith(f"{tenant}-held")
    await crashed.close()
    seen = Seen(tenant)
    await consuming(site, "orchestrator", CANCEL, seen)
    (recorded,) = await seen.wait(1)
    assert recorded.subject.endswith("held")


async def consuming_nothing(site: Site) -> None:
    """Work off what other tests left, so that the next message pulled is this test's."""
    admin = await site.raw(topology.PROVISIONER)
    orchestrator = await consuming(site, "orchestrator", CANCEL, Seen("nobody"))
    async with asyncio.timeout(120):
        while True:
            info = await api_call(admin, f"CONSUMER.INFO.COMMANDS.{DURABLE}")
            if not info["num_pending"] and not info["num_ack_pending"]:
                break
            await asyncio.sleep(0.05)
    await orchestrator.drain()


async def test_a_handler_longer_than_the_acknowledgement_wait_keeps_its_message(site: Site, tenant: str) -> None:
    gateway = await site.connect("gateway")

    async def long(recorded: Recorded) -> None:
        await asyncio.sleep(topology.ACK_WAIT_S * 1.5 if recorded.subject.endswith("long") else 0)

    one, other = Seen(tenant, long), Seen(tenant, long)
    first = await consuming(site, "orchestrator", CANCEL, one)
    await consuming(site, "orchestrator", CANCEL, other)
    await gateway.send(CANCEL, (f"{tenant}-long",), cancel(tenant), tenant=tenant)
    await asyncio.sleep(topology.ACK_WAIT_S * 1.5 + 0.3)
    await gateway.send(CANCEL, (f"{tenant}-next",), cancel(tenant), tenant=tenant)
    await asyncio.sleep(0.3)
    assert first.connected
    subjects = one.subjects + other.subjects
    assert sorted(subject.rsplit("-", 1)[1] for subject in subjects) == ["long", "next"]


async def test_a_broker_that_redelivers_too_early_does_not_start_the_handler_twice(site: Site, tenant: str) -> None:
    """The loop was stalled, or another consumer instance negatively acknowledged: what runs already answers for both."""
    gateway, release = await site.connect("gateway"), asyncio.Event()

    async def act(_: Recorded) -> None:
        await release.wait()

    seen = Seen(tenant, act)
    orchestrator = await consuming(site, "orchestrator", CANCEL, seen)
    await gateway.send(CANCEL, (f"{tenant}-x",), cancel(tenant), tenant=tenant)
    await seen.wait(1)
    (held,) = [held for held in orchestrator._consumption._held.values() if tenant in held.message.subject]
    before = held.message
    await orchestrator.client.publish(before.reply, b"-NAK")
    async with asyncio.timeout(120):
        while held.message is before:
            await asyncio.sleep(0.02)
    release.set()
    await orchestrator.drain()
    assert len(seen.recorded) == 1
    await consuming_nothing(site)


async def test_a_deleted_consumer_is_made_again_and_messages_flow(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    await consuming(site, "orchestrator", CANCEL, seen)
    await gateway.send(CANCEL, ("before",), cancel(tenant), tenant=tenant)
    await seen.wait(1)
    admin = await site.raw(topology.PROVISIONER)
    assert (await api_call(admin, f"CONSUMER.DELETE.COMMANDS.{DURABLE}"))["success"]
    await gateway.send(CANCEL, ("after",), cancel(tenant), tenant=tenant)
    await seen.wait(2)
    assert seen.subjects[-1] == "cmd.orchestrator.cancel.after"
    config = (await api_call(admin, f"CONSUMER.INFO.COMMANDS.{DURABLE}"))["config"]
    assert config["durable_name"] == DURABLE
    assert config["ack_wait"] == topology.ACK_WAIT_S * 1_000_000_000


async def test_a_missing_consumer_is_made_at_the_start(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    admin = await site.raw(topology.PROVISIONER)
    await api_call(admin, f"CONSUMER.DELETE.COMMANDS.{DURABLE}")
    await consuming(site, "orchestrator", CANCEL, seen)
    await gateway.send(CANCEL, ("x",), cancel(tenant), tenant=tenant)
    await seen.wait(1)


@pytest.mark.parametrize("change", [{"ack_wait": 60_000_000_000}, {"max_deliver": 3}, {"max_ack_pending": 1}])
async def test_a_consumer_that_stands_otherwise_than_the_table_has_it_stops_the_start(
    site: Site, change: dict[str, Any]
) -> None:
    admin = await site.raw(topology.PROVISIONER)
    row = BY_NAME[CANCEL]
    wanted = topology.Consumer(row.stream, DURABLE, row.pattern).config()

    async def stand(config: dict[str, Any]) -> None:
        body = {"stream_name": "COMMANDS", "config": config, "action": ""}
        answer = await api_call(admin, f"CONSUMER.CREATE.COMMANDS.{DURABLE}.{row.pattern}", body)
        assert "error" not in answer, answer

    await stand(wanted | change)
    orchestrator = await site.connect("orchestrator")
    orchestrator.consume([Route(CANCEL, Seen("nobody"))])
    try:
        with pytest.raises(RuntimeError, match="agentos provision"):
            await orchestrator.start()
    finally:
        await stand(wanted)


async def test_consuming_outlives_a_killed_server(site: Site, tenant: str) -> None:
    gateway, seen = await site.connect("gateway"), Seen(tenant)
    orchestrator = await consuming(site, "orchestrator", CANCEL, seen)
    await gateway.send(CANCEL, ("1",), cancel(tenant), tenant=tenant)
    await seen.wait(1)
    index = site.serving(orchestrator)
    await site.kill(index)
    await asyncio.sleep(0.3)
    await site.start(index)
    async with asyncio.timeout(120):
        for ordinal in ("2", "3"):
            while True:
                try:
                    await gateway.send(CANCEL, (ordinal,), cancel(tenant), tenant=tenant)
                except RetryLater:
                    continue
                break
    # One whose acknowledgement was lost comes again; none is missing.
    async with asyncio.timeout(120):
        while {subject[-1] for subject in seen.subjects} != {"1", "2", "3"}:
            await seen.wait(len(seen.recorded) + 1)


@on_one_server
async def test_a_burial_without_a_broker_leaves_the_message_to_come_again(site: Site, tenant: str) -> None:
    """Nothing is lost between a handler's verdict and the dead letter that records it."""
    gateway, at_it, go = await site.connect("gateway"), asyncio.Event(), asyncio.Event()

    async def act(_: Recorded) -> None:
        at_it.set()
        await go.wait()
        raise NeverRetry("bad", code="bad")

    await consuming(site, "orchestrator", CANCEL, Seen(tenant, act))
    await gateway.send(CANCEL, (f"{tenant}-x",), cancel(tenant), tenant=tenant)
    await asyncio.wait_for(at_it.wait(), 120)
    for index in range(site.replicas):
        await site.kill(index)
    go.set()
    await asyncio.sleep(0.2)
    await asyncio.gather(*(site.start(index) for index in range(site.replicas)))
    (letter,) = await dead_letters(site, tenant)
    assert isinstance(letter.data, DeadLetter)
    assert letter.data.code == "bad"


async def test_draining_lets_handlers_finish(site: Site, tenant: str) -> None:
    gateway, finished = await site.connect("gateway"), asyncio.Event()

    async def act(_: Recorded) -> None:
        await asyncio.sleep(0.3)
        finished.set()

    seen = Seen(tenant, act)
    orchestrator = await consuming(site, "orchestrator", CANCEL, seen)
    await gateway.send(CANCEL, ("x",), cancel(tenant), tenant=tenant)
    await seen.wait(1)
    await orchestrator.drain()
    assert finished.is_set()
    assert orchestrator.client.is_closed
    again = Seen(tenant)
    await consuming(site, "orchestrator", CANCEL, again)
    await gateway.send(CANCEL, ("y",), cancel(tenant), tenant=tenant)
    await again.wait(1)
    assert [subject[-1] for subject in again.subjects] == ["y"]


async def test_what_does_not_finish_within_the_grace_is_cancelled_and_comes_again_elsewhere(site: Site, tenant: str) -> None:
    gateway, cancelled = await site.connect("gateway"), asyncio.Event()

    async def act(_: Recorded) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    seen, waiting = Seen(tenant, act), 3
    orchestrator = await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    for number in range(waiting):
        await gateway.send(CANCEL, (f"{number}",), cancel(tenant), tenant=tenant)
    await seen.wait(1)
    await orchestrator.drain(timedelta(milliseconds=100))
    assert cancelled.is_set()
    again = Seen(tenant)
    await consuming(site, "orchestrator", CANCEL, again)
    await again.wait(waiting)
    assert sorted(subject[-1] for subject in again.subjects) == ["0", "1", "2"]


async def test_drain_leaves_no_task_behind_and_may_be_called_again(site: Site, tenant: str) -> None:
    before = asyncio.all_tasks()
    orchestrator = await consuming(site, "orchestrator", CANCEL, Seen(tenant))
    await orchestrator.drain()
    await orchestrator.drain()
    await asyncio.sleep(0.05)
    assert {task.get_name() for task in asyncio.all_tasks() - before} == set()
    assert orchestrator.closed.is_set()


@on_one_server
async def test_drain_without_a_broker_ends(site: Site, tenant: str) -> None:
    orchestrator = await consuming(site, "orchestrator", CANCEL, Seen(tenant))
    await site.kill()
    try:
        async with asyncio.timeout(120):
            while orchestrator.connected:
                await asyncio.sleep(0.02)
            await orchestrator.drain()
    finally:
        await site.start()
    assert orchestrator.client.is_closed


async def test_the_broker_reports_a_message_that_nobody_could_take(site: Site, tenant: str) -> None:
    """The backstop: a message that crashes its consumer each time is given up by the broker, which says so in DLQ."""
    await consuming_nothing(site)
    seq = await raw_command(site, f"cmd.orchestrator.cancel.{tenant}", headers_of(tenant), encode_body(cancel(tenant)))
    client = await site.raw("orchestrator")
    for _ in range(topology.MAX_DELIVERIES):
        message = await client.request(f"$JS.API.CONSUMER.MSG.NEXT.COMMANDS.{DURABLE}", b"1", timeout=60, old_style=True)
        assert (message.headers or {}).get("Status") is None
        await client.publish(message.reply, b"-NAK")
    # It is given up when it would be delivered once more.
    pull = f"$JS.API.CONSUMER.MSG.NEXT.COMMANDS.{DURABLE}"
    nothing = await client.request(pull, b'{"batch":1,"expires":1000000000}', timeout=60, old_style=True)
    assert (nothing.headers or {}).get("Status") == "408"
    report = await advisory(site, "MAX_DELIVERIES", seq)
    assert report["deliveries"] == topology.MAX_DELIVERIES


async def test_only_a_reader_of_the_table_consumes_and_once_a_channel(site: Site) -> None:
    policy, orchestrator = await site.connect("policy"), await site.connect("orchestrator")
    with pytest.raises(ValueError, match="not a reader"):
        policy.consume([Route(CANCEL, Seen("x"))])
    orchestrator.consume([Route(CANCEL, Seen("x"))])
    with pytest.raises(ValueError, match="has a handler already"):
        orchestrator.consume([Route(CANCEL, Seen("x"))])


async def test_concurrency_bounds_how_many_are_handled_at_once(site: Site, tenant: str) -> None:
    gateway, now, most = await site.connect("gateway"), 0, 0

    async def act(_: Recorded) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1

    seen = Seen(tenant, act)
    await asyncio.gather(*(gateway.send(CANCEL, (f"{n}",), cancel(tenant), tenant=tenant) for n in range(12)))
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=3)
    await seen.wait(12)
    assert most == 3
