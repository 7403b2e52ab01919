"""What a row of the channel table says, and how the rows of each kind are written."""

from dataclasses import dataclass
from typing import Literal

from agentos.contracts.base import Contract
from agentos.contracts.commands import TimerDue

Kind = Literal["event", "command", "query", "answer", "work", "timer", "dead_letter"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One row. ``readers`` share a durable consumer per service; ``tails`` follow live, each instance on its own.

    ``auditors`` may look at what the readers were handed and have not answered: what is in their hands.
    """

    name: str
    pattern: str
    kind: Kind
    publisher: str
    payload: type[Contract]
    doc: str
    readers: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()
    auditors: tuple[str, ...] = ()
    version: int = 1

    @property
    def schema(self) -> str:
        """Name and version as they travel in the ``Agentos-Schema`` header."""
        return f"{self.name}/{self.version}"

    @property
    def stream(self) -> str:
        """The stream that keeps this channel's messages."""
        return STREAM_OF[self.kind]

    def consumer(self, service: str) -> str:
        """The durable consumer that ``service`` reads this channel with."""
        return f"{service}-{self.name.replace('.', '-')}"


STREAM_OF: dict[Kind, str] = {
    "event": "EVENTS",
    "command": "COMMANDS",
    "query": "QUERIES",
    "answer": "ANSWERS",
    "work": "WORK",
    "timer": "TIMERS",
    "dead_letter": "DLQ",
}


def event(
    name: str,
    publisher: str,
    payload: type[Contract],
    doc: str,
    *,
    readers: tuple[str, ...] = (),
    tails: tuple[str, ...] = (),
    auditors: tuple[str, ...] = (),
    ordinal: bool = False,
) -> Channel:
    """The row of a fact: ``name`` is ``<aggregate>.<fact>``; with ``ordinal`` it can repeat, and its number ends the subject."""
    aggregate, fact = name.split(".")
    pattern = f"evt.*.{aggregate}.*.{fact}" + (".*" if ordinal else "")
    return Channel(name, pattern, "event", publisher, payload, doc, readers, tails, auditors)


def command(service: str, verb: str, publisher: str, payload: type[Contract], doc: str) -> Channel:
    """The row of what is asked of ``service``."""
    return Channel(f"{service}.{verb}", f"cmd.{service}.{verb}.*", "command", publisher, payload, doc, (service,))


def timer(service: str, what: str, doc: str) -> tuple[Channel, Channel]:
    """The two rows of a timer: ``service`` sets it, and the broker says to the same service when it is due."""
    return (
        Channel(f"timer.{service}-{what}-set", f"timer.{service}.set.{what}.*", "timer", service, TimerDue, f"Set: {doc}"),
        Channel(
            f"timer.{service}-{what}-due",
            f"timer.{service}.due.{what}.*",
            "timer",
            "broker",
            TimerDue,
            f"Due: {doc}",
            (service,),
        ),
    )
