"""The broker itself enforces the table: every service is tried against every subject."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from nats.aio.client import Client
from nats.js.errors import APIError, BadRequestError

from agentos.bus import topology
from agentos.contracts.buckets import BUCKETS
from agentos.contracts.channels import BY_NAME, CHANNELS
from agentos.contracts.commands import TimerDue
from agentos.contracts.envelope import encode_body, encode_headers
from agentos.contracts.errors import Forbidden, NeverRetry
from agentos.contracts.events.governance import DeadLetter
from agentos.contracts.events.task import TaskSettled
from agentos.contracts.services import SERVICES
from agentos.telemetry import counter
from tests.bus.conftest import DECIDED, Seen, Site, consuming

EACH = pytest.mark.parametrize("service", SERVICES)
_NUMBERS = count(1)


class Attempts:
    """A service's plain connection; ``refused`` names the subjects that the broker would not take from it."""

    def __init__(self) -> None:
        self.violations: set[str] = set()
        self.client: Client

    async def note(self, error: Exception) -> None:
        text = str(error).lower()
        if "permissions violation for" in text:
            self.violations.add(text.split('"')[1])

    async def refused(self, subjects: Iterable[str]) -> set[str]:
        wanted = list(subjects)
        for subject in wanted:
            # Without a reply and with an impossible expectation: an allowed attempt changes nothing.
            await self.client.publish(subject, b"{", headers={"Nats-Expected-Last-Sequence": "999999999"})
        await self.answered()
        return {subject for subject in wanted if subject.lower() in self.violations}

    async def answered(self) -> None:
        """The broker answers in order: when it has refused what no one may do, it has judged all before it."""
        last = f"nobodys.{next(_NUMBERS)}"
        await self.client.publish(last, b"")
        async with asyncio.timeout(120):
            while last not in self.violations:
                await asyncio.sleep(0.01)
        self.violations.discard(last)


async def attempts(site: Site, service: str) -> Attempts:
    found = Attempts()
    found.client = await site.raw(service, found.note)
    return found


@EACH
async def test_a_service_publishes_its_own_subjects_and_no_other(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    number = next(_NUMBERS)
    examples = {channel: channel.pattern.replace("*", f"x{number}") for channel in CHANNELS}
    refused = await tried.refused(examples.values())
    assert refused == {subject for channel, subject in examples.items() if channel.publisher != service}


@EACH
async def test_a_service_writes_its_own_buckets_and_no_other(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    refused = await tried.refused(f"$KV.{bucket.name}.x.y" for bucket in BUCKETS)
    assert refused == {f"$KV.{bucket.name}.x.y" for bucket in BUCKETS if service not in bucket.writers}


@EACH
async def test_a_service_reads_its_own_buckets_and_no_other(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    refused = await tried.refused(f"$JS.API.STREAM.MSG.GET.KV_{bucket.name}" for bucket in BUCKETS)
    assert refused == {f"$JS.API.STREAM.MSG.GET.KV_{b.name}" for b in BUCKETS if service not in b.readers}


@EACH
async def test_no_service_administers_anything(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    streams = [stream["name"] for stream in topology.streams(1)]
    subjects = [
        f"$JS.API.STREAM.{verb}.{stream}"
        for verb in ("CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "PEER.REMOVE", "LEADER.STEPDOWN")
        for stream in [*streams, "NEW"]
    ]
    erasable = {f"KV_{bucket.name}" for bucket in BUCKETS if service in bucket.erasers}
    assert "EVENTS" not in erasable
    subjects += [f"$JS.API.STREAM.MSG.DELETE.{stream}" for stream in streams if stream not in erasable]
    subjects += [f"$JS.API.CONSUMER.{verb}.{stream}" for verb in ("NAMES", "LIST", "CREATE") for stream in streams]
    subjects += ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.ACCOUNT.PURGE.x", "$SYS.REQ.SERVER.PING"]
    subjects += ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.EVENTS.x"]
    assert await tried.refused(subjects) == set(subjects)


@EACH
async def test_a_service_pulls_and_acknowledges_its_own_durables_and_no_other(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    own = {channel.consumer(service) for channel in CHANNELS if service in channel.readers}
    audited = {channel.consumer(reader) for channel in CHANNELS if service in channel.auditors for reader in channel.readers}
    wanted: dict[str, bool] = {}
    for consumer in topology.consumers():
        place, mine = f"{consumer.stream}.{consumer.name}", consumer.name in own
        # Nothing here is to have an effect on a durable of the service's own.
        wanted[f"$JS.API.CONSUMER.INFO.{place}"] = mine or consumer.name in audited
        wanted[f"$JS.ACK.{place}.1.999999999.1.1.0"] = mine
        wanted[f"$JS.ACK.d.hash.{place}.1.999999999.1.1.0"] = mine
        if not mine:
            wanted[f"$JS.API.CONSUMER.MSG.NEXT.{place}"] = False
            wanted[f"$JS.API.CONSUMER.CREATE.{place}"] = False
            wanted[f"$JS.API.CONSUMER.CREATE.{place}.{consumer.filter}"] = False
            wanted[f"$JS.API.CONSUMER.CREATE.{place}.evt.x"] = False
            wanted[f"$JS.API.CONSUMER.DURABLE.CREATE.{place}"] = False
            wanted[f"$JS.API.CONSUMER.DELETE.{place}"] = False
            wanted[f"$JS.API.CONSUMER.PAUSE.{place}"] = False
            wanted[f"$JS.API.CONSUMER.RESET.{place}"] = False
    refused = await tried.refused(wanted)
    assert refused == {subject for subject, allowed in wanted.items() if not allowed}


@EACH
async def test_a_service_listens_to_its_own_inbox_and_nothing_else(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    others = [f"_INBOX_{other}.>" for other in (*SERVICES, topology.PROVISIONER) if other != service]
    wanted = [*others, "_INBOX.>", ">", "evt.>", "cmd.>", "$KV.>", "$JS.API.>", "$JS.EVENT.>", "dlq.>", "*.>"]
    for subject in [*wanted, f"_INBOX_{service}.mine"]:
        await tried.client.subscribe(subject)
    await tried.answered()
    assert tried.violations == {subject.lower() for subject in wanted}


@EACH
async def test_a_service_does_not_write_into_anothers_inbox(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    wanted = [f"_INBOX_{other}.x" for other in SERVICES if other != service] + ["_INBOX.x", "nothing.of.ours", "evt.x", "tok.x"]
    assert await tried.refused(wanted) == set(wanted)


@EACH
async def test_a_service_follows_only_the_streams_that_the_table_lets_it_follow(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    streams = {channel.stream for channel in CHANNELS}
    refused = await tried.refused(f"$JS.API.CONSUMER.CREATE.{stream}.tail" for stream in sorted(streams))
    assert refused == {
        f"$JS.API.CONSUMER.CREATE.{stream}.tail" for stream in streams if stream not in topology._readable_streams(service)
    }


async def test_a_tail_aimed_at_another_services_subject_writes_nothing_there(site: Site, tenant: str) -> None:
    policy = await site.connect("policy")
    await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    ledger, admin = await site.raw("ledger"), await site.raw(topology.PROVISIONER)
    aimed = f"cmd.gates.release.{tenant}"
    config = {"name": f"aimed-{tenant}", "deliver_subject": aimed, "ack_policy": "none", "num_replicas": 1}
    body = {"stream_name": "EVENTS", "config": config | {"filter_subjects": [f"evt.{tenant}.>"]}, "action": "create"}
    await ledger.request(f"$JS.API.CONSUMER.CREATE.EVENTS.aimed-{tenant}", json.dumps(body).encode(), timeout=60)
    await asyncio.sleep(0.3)
    reply = await admin.request("$JS.API.STREAM.INFO.COMMANDS", json.dumps({"subjects_filter": aimed}).encode(), timeout=60)
    assert aimed not in json.loads(reply.data)["state"].get("subjects", {})
    await admin.request(f"$JS.API.CONSUMER.DELETE.EVENTS.aimed-{tenant}", b"", timeout=60)


async def test_a_timer_aimed_at_another_services_is_buried_rather_than_obeyed(site: Site, tenant: str) -> None:
    """The broker fires a schedule at any subject of its stream, and writes down which schedule it was: that cannot be forged."""
    seen = Seen(tenant)
    await consuming(site, "orchestrator", "timer.orchestrator-retry-due", seen)
    gates, evil = await site.connect("gates"), (await site.raw("gates")).jetstream()
    due = TimerDue(tenant=tenant, ordinal=1)
    at = datetime.now(UTC) + timedelta(milliseconds=100)
    aimed = f"timer.orchestrator.due.retry.{tenant}"
    meta = gates._meta(BY_NAME["timer.orchestrator-retry-due"], aimed, tenant, None, None, tenant)
    schedule = {"Nats-Schedule": f"@at {at.isoformat().replace('+00:00', 'Z')}", "Nats-Schedule-Target": aimed}
    headers = {**encode_headers(meta), **schedule}
    place = f"timer.gates.set.expire.{tenant}"
    with pytest.raises(BadRequestError):
        await evil.publish(place, encode_body(due), headers={**headers, "Nats-Scheduler": aimed.replace(".due.", ".set.")})
    for elsewhere in (f"evt.{tenant}.approval.x.resolved", f"cmd.gates.resolve.{tenant}"):
        with pytest.raises(APIError):
            await evil.publish(place, encode_body(due), headers={**headers, "Nats-Schedule-Target": elsewhere})
    await evil.publish(place, encode_body(due), headers=headers)
    ledger = await site.connect("ledger")
    async with asyncio.timeout(120):
        async for raw in ledger.tail(("dlq.orchestrator.>",), stream="DLQ", start="first"):
            if raw.body and aimed.encode() in raw.body:
                letter = await ledger.decode(raw)
                assert isinstance(letter.data, DeadLetter)
                assert letter.data.code == "not_its_timer"
                break
    assert seen.recorded == []


@EACH
async def test_a_service_has_nothing_stored_from_another_stream_and_moves_no_consumer(site: Site, service: str) -> None:
    tried = await attempts(site, service)
    wanted = [
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.STREAM.UPDATE.EVENTS",
        "$JS.API.STREAM.UPDATE.TIMERS",
        "$JS.API.DIRECT.GET.EVENTS",
    ]
    wanted += [
        "$JS.API.STREAM.CREATE.KV_mine",
        "$JS.API.STREAM.UPDATE.KV_kill",
        "$SYS.ACCOUNT.x.CLAIMS.UPDATE",
    ]
    wanted += [f"$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.{BY_NAME['call.decided'].consumer('router')}"]
    assert await tried.refused(wanted) == set(wanted)


async def test_what_the_broker_refuses_a_service_is_counted(site: Site, tenant: str) -> None:
    runner = await site.connect("runner")
    refusals = counter("agentos_broker_refusals_total", "What the broker refused a service by its rights.", ("service",))
    before = refusals.labels("runner")._value.get()
    with pytest.raises(Forbidden):
        await runner.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    assert refusals.labels("runner")._value.get() > before


async def test_what_the_broker_answers_into_another_services_subject_is_never_taken_for_a_fact(site: Site, tenant: str) -> None:
    """The broker answers where it is told to. Direct reads, which would answer with the bare message, are nobody's right;
    what remains is an answer of the API, which no reader takes for a fact, and it is buried rather than obeyed."""
    policy, seen = await site.connect("policy"), Seen(tenant)
    await policy.append("task.decided", "t", DECIDED, tenant=tenant, ordinal=1)
    gates = await consuming(site, "gates", "gates.engage", seen)
    evil, forged = await site.raw("policy"), f"evt.{tenant}.task.t.ended.1"
    own = f"evt.{tenant}.task.t.decided.1"
    for reply in (f"cmd.gates.engage.{tenant}", forged):
        await evil.publish(f"$JS.API.DIRECT.GET.EVENTS.{own}", b"", reply=reply)
        await evil.publish("$JS.API.DIRECT.GET.EVENTS", json.dumps({"multi_last": [own]}).encode(), reply=reply)
        await evil.publish("$JS.API.STREAM.MSG.GET.EVENTS", json.dumps({"last_by_subj": own}).encode(), reply=reply)
    await evil.flush()
    ledger = await site.connect("ledger")
    async with asyncio.timeout(120):
        async for raw in ledger.tail(("dlq.gates.>",), stream="DLQ", start="first"):
            if raw.body and f"cmd.gates.engage.{tenant}".encode() in raw.body:
                letter = await ledger.decode(raw)
                assert isinstance(letter.data, DeadLetter)
                assert letter.data.code == "bad_envelope"
                break
    assert seen.recorded == []
    with pytest.raises(NeverRetry):
        await gates.get(forged)


async def test_a_message_pulled_into_another_services_subject_does_not_arrive_there(site: Site, tenant: str) -> None:
    """A service may pull from its own durables only, and into its own inbox only as far as anyone obeys it."""
    orchestrator = await site.connect("orchestrator")
    settled = TaskSettled(outcome="completed")
    await orchestrator.append("task.settled", "t", settled, tenant=tenant, ordinal=1)
    evil, forged = await site.raw("orchestrator"), f"evt.{tenant}.approval.t.resolved"
    durable = BY_NAME["task.settled"].consumer("orchestrator")
    for _ in range(20):
        await evil.publish(f"$JS.API.CONSUMER.MSG.NEXT.EVENTS.{durable}", b'{"batch":50,"no_wait":true}', reply=forged)
    await evil.flush()
    await asyncio.sleep(0.5)
    try:
        found = await orchestrator.get(forged)
    except NeverRetry:
        found = None
    assert found is None


def test_the_configuration_names_every_service_once_and_gives_nobody_everything() -> None:
    conf = topology.authorization_conf()
    assert [line.split()[1] for line in conf.splitlines() if line.strip().startswith("user:")] == [
        topology.PROVISIONER,
        *SERVICES,
    ]
    for service in SERVICES:
        rights = topology.permissions(service)
        assert not {">", "*", "$JS.>", "$JS.API.>", "evt.>", "cmd.>", "$KV.>"} & set(rights["publish"])
        assert rights["subscribe"] == [f"_INBOX_{service}.>"]
