"""One signed delivery with personal data in it, through every service: who gets to see what."""

import json
import re
from pathlib import Path

from agentos.contracts.envelope import TRACEPARENT
from agentos.contracts.services import SERVICES
from tests.loopback.provider import LoopbackProvider
from tests.system.harness import DELIVERY, Choices, Topology, running

PLANTED = ("alice.liddell@example.com", "+1 415 555 0132", "4111 1111 1111 1111")
EMAIL = PLANTED[0]
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def _spellings(value: str) -> set[bytes]:
    """A value as it may turn up in a file: as it is, in JSON, without its blanks, with hyphens instead."""
    plain = {value, json.dumps(value)[1:-1], value.replace(" ", ""), value.replace(" ", "-")}
    return {spelling.encode(charset) for spelling in plain for charset in ("utf-8", "utf-16-le")}


def _assert_clear_of_personal_data(where: str, content: bytes) -> None:
    for value in PLANTED:
        for spelling in _spellings(value):
            assert spelling not in content, f"{value!r} in {where}"


async def test_what_came_from_outside_is_seen_by_the_pack_and_its_tool_and_by_nobody_else(
    tmp_path: Path, provider: LoopbackProvider
) -> None:
    """Provider, broker store, SQL, logs and secrets hold none of it; the reply has the real value back."""
    body = DELIVERY.read_bytes()
    for value in PLANTED:
        assert value.encode() in body, "the delivery must hold what this test looks for"
    async with running(tmp_path, Choices(provider_url=provider.openai_base_url)) as system:
        answer = await system.deliver(body)
        assert answer.status_code == 202, answer.text
        task = answer.json()["task"]
        approval = await system.approval(task)
        _assert_clear_of_personal_data("the approval that an operator sees", json.dumps(approval).encode())
        await system.resolve(approval["id"])
        told = await system.settled(task)
        assert told["outcome"] == "completed", told

        assert provider.requests, "the task asked the provider"
        for request in provider.requests:
            _assert_clear_of_personal_data("what the provider received", request.raw)
        assert b"<EMAIL_1>" in provider.requests[0].body

        for message in await system.stored():
            where = f"{message.stream} {message.seq} {message.subject}"
            _assert_clear_of_personal_data(where, message.raw_headers + b"\n" + message.body + message.subject.encode())
        await _check_trace(system, task)

    outbox = list((system.data / "outbox").glob("*.md"))
    assert len(outbox) == 1
    assert EMAIL in outbox[0].read_text(), "the reply goes to the real address"
    files = [path for path in system.data.rglob("*") if path.is_file() and path.parent.name != "outbox"]
    assert {"ledger.db", "admin.key", "gateway.log"} <= {path.name for path in files}
    for path in files:
        _assert_clear_of_personal_data(str(path), path.read_bytes())
    _check_logs(system, task)


async def _check_trace(system: Topology, task: str) -> None:
    """One trace id on every event of the task, whichever service wrote it; every service but the ledger wrote one."""
    traces: dict[str, list[str]] = {}
    writers: set[str] = set()
    for message in await system.stored("EVENTS"):
        if message.recorded.meta.correlation_id != task or message.recorded.channel.name == "payload.revealed":
            continue  # that somebody looked at the result afterwards is a request of its own
        writers.add(message.recorded.channel.publisher)
        found = _TRACEPARENT.fullmatch(message.headers.get(TRACEPARENT, ""))
        traces.setdefault(found[1] if found else "none", []).append(message.subject)
    assert len(traces) == 1, traces
    assert "none" not in traces, traces
    assert writers == set(SERVICES) - {"ledger"}


def _check_logs(system: Topology, task: str) -> None:
    """Each line that names the task names it as its correlation id, and everyone who handled it wrote one."""
    about: set[str] = set()
    for service, line in system.log_lines():
        if task in json.dumps(line):
            assert line.get("correlation_id") == task, (service, line)
            about.add(service)
    assert {"gateway", "runner", "worker"} <= about, about
