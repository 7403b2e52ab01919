"""Trying a dead letter's message again: found by whoever buried it, from what stands in the streams.

The fact that asks for it (``deadletter.settled``) names the dead letter and carries nothing of the message, so that nobody can have a
service handle what it did not bury itself.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentos.bus.tail import Raw
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NeverRetry
from agentos.contracts.events.governance import DeadLetter, DeadLetterSettled

if TYPE_CHECKING:
    from agentos.bus.bus import Bus

STREAM = "DLQ"
_CRASHED = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.EVENTS."
"""The broker's word on an event that was delivered as often as anything is; the consumer's name follows."""


@dataclass(frozen=True, slots=True)
class Again:
    """A message to be handled as if it had just been delivered."""

    consumer: str
    message: Raw


async def again(bus: "Bus", recorded: Recorded) -> Again | None:
    """The message to try again; None when there is nothing to do for this service.

    Raises NeverRetry when it is nowhere any more, RetryLater when the broker does not answer.
    """
    asked = recorded.data
    if not isinstance(asked, DeadLetterSettled) or asked.outcome != "retried" or asked.service != bus.service:
        return None
    buried = await bus.at(STREAM, asked.letter)
    if buried is None:
        raise NeverRetry(f"there is no dead letter {asked.letter}", code="no_such_letter")
    if buried.subject.startswith(f"{_CRASHED}{bus.service}-"):
        return Again(buried.subject.removeprefix(_CRASHED), await _event(bus, _place(buried)))
    if not buried.subject.startswith(f"dlq.{bus.service}."):
        raise NeverRetry(f"dead letter {asked.letter} is not one of {bus.service}", code="not_its_letter")
    letter = (await bus.decode(buried)).data
    if not isinstance(letter, DeadLetter):
        raise NeverRetry(f"{buried.subject} holds no dead letter", code="no_such_letter")
    kept = letter.message
    if kept is not None:
        return Again(letter.consumer, Raw(letter.subject, kept.headers, kept.body, letter.seq, 0, 0))
    return Again(letter.consumer, await _event(bus, letter.seq))


def _place(advisory: Raw) -> int:
    try:
        return int(json.loads(advisory.body)["stream_seq"])
    except (ValueError, KeyError, TypeError):
        raise NeverRetry(f"{advisory.subject} does not say which event it is about", code="no_such_event") from None


async def _event(bus: "Bus", seq: int) -> Raw:
    message = await bus.at("EVENTS", seq)
    if message is None:
        raise NeverRetry(f"event {seq} is not in its stream", code="no_such_event")
    return message
