"""Held calls on a real broker: the gates hear of each, of no other call, and of it also when policy dies before it has told them."""

import asyncio
from datetime import timedelta
from typing import Any, Never

import pytest

from agentos.bus import Bus, Route
from agentos.bus.publishing import PUBLISH_TRIES
from agentos.contracts.base import Verdict
from agentos.contracts.commands import HoldCall
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.approval import ApprovalRequested
from agentos.ending import end
from services.gates.handlers import Gates
from services.gates.settings import Settings
from tests.governance.scenario import TENANT, event
from tests.services.policy_service.site import Says, Site


class Gatekeeper:
    """Notes what the gates are told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.last = asyncio.Event()

    async def on_hold(self, message: Recorded) -> None:
        self.told.append(message.payload(HoldCall).decision)
        if message.subject.endswith(".last"):
            self.last.set()

    @classmethod
    async def on_duty(cls, site: Site) -> "Gatekeeper":
        made, bus = cls(), await site.broker.connect("gates")
        bus.consume([Route("gates.hold", made.on_hold, concurrency=1)])
        await bus.start()
        return made


class Dying:
    """A policy's bus that gets no further than its word to the gates: to just before that is stored, or just after."""

    def __init__(self, bus: Bus, *, after: bool) -> None:
        self._bus, self._after = bus, after
        self._publish = bus._publish
        bus._publish = self.publish
        self.there = asyncio.Event()

    async def publish(self, subject: str, body: bytes, headers: Any, tries: int = PUBLISH_TRIES) -> tuple[int, bool]:
        telling = subject.startswith("cmd.gates.hold.")
        if telling and not self._after:
            await self._last()
        done = await self._publish(subject, body, headers, tries)
        if telling:
            await self._last()
        return done

    async def _last(self) -> Never:
        self.there.set()
        await asyncio.Event().wait()
        raise AssertionError("the process is gone")

    async def gone(self) -> None:
        """Let it get there, and end."""
        await self.there.wait()
        await self._bus.drain(grace=timedelta(0))


async def test_the_gates_are_told_of_calls_and_tools_that_are_held_and_of_nothing_else(site: Site) -> None:
    gates = await Gatekeeper.on_duty(site)
    evaluator = Says("allow")
    policy = await site.policy(evaluator)
    verdicts: tuple[Verdict, ...] = ("allow", "deny", "hold")
    for verdict in verdicts:
        evaluator.answer = verdict
        await policy.on_call_requested(await site.call(call=verdict))
    await policy.on_tool_requested(await site.tool(b'{"body": "x"}'))
    await policy.on_call_requested(await site.call(call="last"))
    await gates.last.wait()
    assert gates.told == [f"evt.{TENANT}.{stem}.decided" for stem in ("call.hold", "tool.c1", "call.last")]


@pytest.mark.parametrize("verdict", ["allow", "deny", "hold"])
async def test_what_an_earlier_delivery_held_is_told_again_whatever_this_one_would_say(site: Site, verdict: Verdict) -> None:
    gates = await Gatekeeper.on_duty(site)
    evaluator = Says("hold")
    policy, asked = await site.policy(evaluator), await site.call(call="last")
    dying = Dying(policy._bus, after=False)
    handling = asyncio.create_task(policy.on_call_requested(asked))
    await dying.there.wait()
    await end(handling)
    assert gates.told == []
    evaluator.answer = verdict
    await (await site.policy(evaluator)).on_call_requested(asked)
    await gates.last.wait()
    assert (await site.decided("last")).verdict == "hold"


async def test_what_an_earlier_delivery_allowed_is_not_told_as_held(site: Site) -> None:
    gates = await Gatekeeper.on_duty(site)
    evaluator = Says("allow")
    policy, asked = await site.policy(evaluator), await site.call()
    await policy.on_call_requested(asked)
    evaluator.answer = "hold"
    await policy.on_call_requested(asked)
    await policy.on_call_requested(await site.call(call="last"))
    await gates.last.wait()
    assert gates.told == [f"evt.{TENANT}.call.last.decided"]


@pytest.mark.parametrize("after", [False, True])
async def test_killed_between_verdict_and_word_the_next_policy_tells_the_gates_and_one_approval_is_asked_for(
    site: Site, *, after: bool
) -> None:
    bus = await site.broker.connect("gates")
    gates = Gates(bus, Settings())
    bus.consume(gates.routes())
    await bus.start()
    first = await site.policy(Says("hold"), consume=True)
    dying = Dying(first._bus, after=after)
    asked = await site.call()
    await site.runner.append("call.requested", "c1", asked.data, tenant=TENANT, correlation_id="t1")
    await dying.gone()
    await site.policy(Says("allow"), consume=True)
    requested = await event(site.gateway, "approval.c1.requested")
    assert requested.payload(ApprovalRequested).reasons == ("said",)
    decided = await event(site.gateway, "call.c1.decided")
    assert requested.meta.causation_id == decided.meta.event_id
    await gates.close()
