"""A call that waits for room holds no message, and is tried again until it is granted or refused."""

import asyncio
from collections.abc import Awaitable, Callable

from agentos.bus import Route
from agentos.contracts.base import Sealed
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.call import CallDecided, ModelCallRequested
from agentos.contracts.subjects import EventSubject
from services.policy.budgets.budgets import Granted, NoRoomYet
from services.policy.budgets.waiting import WaitingCalls
from tests.governance.scenario import TENANT, context, event
from tests.services.policy.budgets.conftest import Rules, Site, budget, demand

SEALED = Sealed(key="t1", purpose="call.request", nonce=b"n" * 12, ciphertext=b"c" * 16)


async def policy(site: Site, rules: Rules) -> Callable[[], int]:
    """An instance of policy that does nothing but ask the budgets; how often it was handed a call."""
    budgets = await site.budgets(rules)
    bus = await site.broker.connect("policy")
    tries = 0

    async def on_requested(message: Recorded) -> None:
        nonlocal tries
        tries += 1
        call = EventSubject.parse(message.subject).id
        try:
            answer = await budgets.reserve(call, TENANT, demand(asked_at=message.meta.time))
        except NoRoomYet as later:
            await waiting.put_off(message, later)
            return
        if isinstance(answer, Granted):
            await site.decide(call, answer.reservations)
        else:
            await site.decide(call, (), verdict="deny", reasons=answer.reasons)

    waiting = WaitingCalls(bus, on_requested)
    handlers: list[tuple[str, Callable[[Recorded], Awaitable[None]]]] = [
        ("call.requested", on_requested), ("call.settled", budgets.on_call_settled),
    ]  # fmt: skip
    bus.consume([*(Route(channel, handler) for channel, handler in handlers), *waiting.routes()])
    await bus.start()
    return lambda: tries


async def ask(site: Site, *calls: str) -> None:
    runner = await site.broker.connect("runner")
    asked = ModelCallRequested(context=context(), model="default", request=SEALED, digest="d", max_output_tokens=50)
    await asyncio.gather(*(runner.append("call.requested", call, asked, tenant=TENANT, correlation_id="t1") for call in calls))


async def decided(site: Site, call: str) -> CallDecided:
    return (await event(site.gateway, f"call.{call}.decided")).payload(CallDecided)


async def test_waiting_calls_are_granted_as_others_are_settled_and_refused_once_nothing_is_left(site: Site) -> None:
    rules = Rules(budget(limit="2"))
    for _ in range(2):
        await policy(site, rules)
    await ask(site, *(f"c{number}" for number in range(6)))
    verdicts: dict[str, str] = {}
    while len(verdicts) < 6:
        for number in range(6):
            call = f"c{number}"
            if call not in verdicts and await site.gateway.get(f"evt.{TENANT}.call.{call}.decided") is not None:
                verdicts[call] = (await decided(site, call)).verdict
                if verdicts[call] == "allow":
                    # One of them is cancelled before it began, and leaves its place to another.
                    first = list(verdicts.values()).count("allow") == 1
                    await site.settle(call, **({"outcome": "cancelled", "attempts": 0} if first else {}))
        await asyncio.sleep(0.02)
    assert sorted(verdicts.values()) == ["allow"] * 3 + ["deny"] * 3


async def test_more_waiting_calls_than_a_consumer_takes_in_hand_do_not_stand_in_the_way_of_another(site: Site) -> None:
    rules = Rules(budget(limit="1", wait_s=600))
    tries = await policy(site, rules)
    await ask(site, "first")
    await decided(site, "first")
    # A consumer takes 1,000 in hand.
    await ask(site, *(f"w{number}" for number in range(1_100)))
    while tries() < 1_101:
        await asyncio.sleep(0.05)
    rules.budgets, rules.revision = (), "next"
    await ask(site, "last")
    assert (await decided(site, "last")).verdict == "allow"
