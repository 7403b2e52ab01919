"""Dead letters that a person has tried again, or discards."""

import pytest

from agentos.bus import Bus
from agentos.contracts.base import Principal
from agentos.contracts.envelope import Recorded, encode_body
from agentos.contracts.errors import NeverRetry
from agentos.contracts.events.governance import DeadLetter, DeadLetterSettled, KeptMessage
from agentos.contracts.events.task import TaskEnded
from tests.bus.conftest import Seen, Site, cancel, consuming
from tests.bus.test_consume import CANCEL, DURABLE, dead_letters

ANN = Principal(kind="user", id="ann")


async def settle(
    gateway: Bus, tenant: str, letter: Recorded, outcome: str = "retried", service: str = "orchestrator", id_: str | None = None
) -> None:
    fact = DeadLetterSettled.model_validate(
        {"outcome": outcome, "letter": letter.seq, "service": service, "reason": "", "by": ANN}
    )
    await gateway.append("deadletter.settled", id_ or str(letter.seq), fact, tenant=tenant, correlation_id="x")


class Picky:
    """Refuses what it is given until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.refused = 0

    async def __call__(self, recorded: Recorded) -> None:
        if recorded.subject.endswith("bad") and not self.mended:
            self.refused += 1
            raise NeverRetry("not yet", code="unknown_type")


async def test_a_message_that_its_stream_forgot_is_tried_again_as_it_was(site: Site, tenant: str) -> None:
    gateway, picky = await site.connect("gateway"), Picky()
    seen = Seen(tenant, picky)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await gateway.send(CANCEL, ("bad",), cancel(tenant), tenant=tenant)
    (letter,) = await dead_letters(site, tenant)
    assert isinstance(letter.data, DeadLetter)
    assert letter.data.message is not None
    assert letter.data.message.body == encode_body(cancel(tenant))
    picky.mended = True
    await settle(gateway, tenant, letter)
    first, again = (await seen.wait(2))[:2]
    assert (again.subject, again.meta, again.data) == (first.subject, first.meta, first.data)


async def test_what_fails_again_is_a_new_dead_letter_that_can_be_retried_in_turn(site: Site, tenant: str) -> None:
    gateway, picky = await site.connect("gateway"), Picky()
    seen = Seen(tenant, picky)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await gateway.send(CANCEL, ("bad",), cancel(tenant), tenant=tenant)
    (letter,) = await dead_letters(site, tenant)
    await settle(gateway, tenant, letter)
    _, second = await dead_letters(site, tenant, 2)
    assert isinstance(letter.data, DeadLetter)
    assert isinstance(second.data, DeadLetter)
    same = ("subject", "stream", "seq", "consumer", "message", "code", "body_digest")
    assert [getattr(second.data, name) for name in same] == [getattr(letter.data, name) for name in same]
    assert second.subject.startswith(f"{letter.subject}-again-")
    picky.mended = True
    await settle(gateway, tenant, second)
    await seen.wait(3)
    assert picky.refused == 2


async def test_an_event_is_tried_again_from_where_it_stands_for_ever(site: Site, tenant: str) -> None:
    gateway, runner, picky = await site.connect("gateway"), await site.connect("runner"), Picky()
    seen = Seen(tenant, picky)
    await consuming(site, "orchestrator", "task.ended", seen, concurrency=1)
    fact = TaskEnded(outcome="completed")
    await runner.append("task.ended", "bad", fact, tenant=tenant, ordinal="bad", correlation_id="x")
    (letter,) = await dead_letters(site, tenant)
    assert isinstance(letter.data, DeadLetter)
    assert letter.data.message is None
    picky.mended = True
    await settle(gateway, tenant, letter)
    first, again = (await seen.wait(2))[:2]
    assert (again.subject, again.seq, again.data) == (first.subject, first.seq, first.data)


async def test_nothing_is_done_with_what_was_discarded_or_is_another_services(site: Site, tenant: str) -> None:
    gateway, picky = await site.connect("gateway"), Picky()
    seen = Seen(tenant, picky)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await gateway.send(CANCEL, ("bad",), cancel(tenant), tenant=tenant)
    (letter,) = await dead_letters(site, tenant)
    await settle(gateway, tenant, letter, "discarded")
    await settle(gateway, tenant, letter, service="gates", id_=f"{letter.seq}-x")
    await gateway.send(CANCEL, ("good",), cancel(tenant), tenant=tenant)
    await seen.wait(2)
    assert [subject.rsplit(".", 1)[1] for subject in seen.subjects] == ["bad", "good"]


@pytest.mark.parametrize("which", ["another service's", "none at all"])
async def test_a_service_tries_nothing_that_it_did_not_bury_itself(site: Site, tenant: str, which: str) -> None:
    """Whoever may write the fact can have nobody handle a message of their own making."""
    gateway, policy = await site.connect("gateway"), await site.connect("policy")
    seen = Seen(tenant)
    await consuming(site, "orchestrator", CANCEL, seen, concurrency=1)
    await gateway.send(CANCEL, ("good",), cancel(tenant), tenant=tenant)
    (good,) = await seen.wait(1)
    forged = DeadLetter(
        service="orchestrator", consumer=DURABLE, subject="cmd.orchestrator.cancel.forged", stream="COMMANDS", seq=1, deliveries=1,
        code="x", detail="x", body_digest="d", at=good.meta.time,
        message=KeptMessage(headers={}, body=encode_body(cancel(tenant))),
    )  # fmt: skip
    await policy.send("dlq.policy", (DURABLE, f"{tenant}-1"), forged, tenant=tenant)
    (letter,) = await dead_letters(site, tenant)
    fact = DeadLetterSettled(
        outcome="retried", letter=letter.seq if which != "none at all" else 10**12, service="orchestrator", reason="", by=ANN
    )
    await gateway.append("deadletter.settled", f"{letter.seq}-forged", fact, tenant=tenant, correlation_id="x")
    _, refusal = await dead_letters(site, tenant, 2)
    assert isinstance(refusal.data, DeadLetter)
    assert refusal.data.code == ("not_its_letter" if which != "none at all" else "no_such_letter")
    assert len(seen.subjects) == 1
