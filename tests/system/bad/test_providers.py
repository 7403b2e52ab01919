"""Providers that misbehave: each call settles once with the fault that says what came back, and others are served meanwhile."""

from dataclasses import dataclass

import pytest

from agentos.contracts.events.call import CallAttempted, ModelCallSettled
from tests.loopback.provider import Answer, Behaviour, Close, Garbage, Refuse, Stall, Status
from tests.system.bad.conftest import Shared

pytestmark = [pytest.mark.asyncio(loop_scope="session")]


@dataclass(frozen=True)
class Case:
    """What the provider does, and how the call must settle."""

    name: str
    behaviour: Behaviour | None
    code: str
    attempts: int
    model: str = "deepseek/chat"


CASES = (
    Case("nobody listens", None, "unreachable", 3, model="anthropic/claude"),
    Case("hangs up at once", Refuse(), "unreachable", 3),
    Case("closes in the middle of its answer", Close(), "unreachable", 3),
    Case("never answers", Stall(), "timeout", 3),
    Case("answers a web page", Garbage(), "bad_answer", 1),
    Case("answers half of a JSON document", Garbage(b'{"choices": [', "application/json"), "bad_answer", 1),
    Case("answers something else in JSON", Garbage(b'{"hello": "world"}', "application/json"), "bad_answer", 1),
    Case("answers bytes that are no text", Garbage(b"\xff\xfe\x00\x80", "application/json"), "bad_answer", 1),
    Case("refuses the key", Status(401, code="invalid_api_key"), "invalid_api_key", 1),
    Case("is out of order", Status(503, body=b"no upstream"), "http_503", 3),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_provider_that_fails_settles_its_call_once_with_the_reason(shared: Shared, case: Case) -> None:
    """Attempts before the last are events too; a good task beside it completes while the bad one is still tried."""
    if case.behaviour is not None:
        shared.bad.always(case.behaviour)
    before = len(shared.bad.requests)
    bad = await shared.system.submit("steady", {"model": case.model}, max_attempts=1)
    await shared.assert_serves()
    told = await shared.system.settled(bad)
    assert (told["outcome"], told["fault_code"]) == ("failed", case.code), told
    events = await shared.system.events(bad)
    settled = [event.data for event in events if isinstance(event.data, ModelCallSettled)]
    assert [(each.outcome, each.attempts) for each in settled] == [("failed", case.attempts)]
    assert settled[0].fault is not None
    assert settled[0].fault.code == case.code
    noted = [event.data for event in events if isinstance(event.data, CallAttempted)]
    assert [each.fault.code for each in noted] == [case.code] * (case.attempts - 1)
    if case.behaviour is not None:
        assert len(shared.bad.requests) - before == case.attempts
    await shared.assert_serves()


async def test_a_provider_that_recovers_completes_the_call(shared: Shared) -> None:
    """Each further attempt has an idempotency key of its own, and says so."""
    shared.bad.always(Answer())
    shared.bad.script(Close(), Status(500))
    before = len(shared.bad.requests)
    task = await shared.system.submit("steady", {"model": "deepseek/chat"}, max_attempts=1)
    assert (await shared.system.settled(task))["outcome"] == "completed"
    settled = [event.data for event in await shared.system.events(task) if isinstance(event.data, ModelCallSettled)]
    assert [(each.outcome, each.attempts) for each in settled] == [("completed", 3), ("completed", 1)]
    keys = [request.headers["idempotency-key"] for request in shared.bad.requests[before:]]
    assert len(set(keys)) == 4
