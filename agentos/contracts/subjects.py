"""The grammar of subjects, as pure functions.

``evt.<tenant>.<aggregate>.<id>.<fact>[.<ordinal>]`` · ``cmd.<service>.<verb>.<id>`` · ``qry.<service>.<what>.<id>`` ·
``ans.<service>.<id>`` · ``work.<queue>.<priority>.<id>`` · ``timer.<service>.set|due.<what>.<id>`` · ``dlq.<service>.<consumer>.<id>``
"""

from dataclasses import dataclass
from functools import lru_cache

from agentos.contracts.ids import is_token


@dataclass(frozen=True, slots=True)
class EventSubject:
    """A parsed event subject. ``ordinal`` is None for a fact that happens once in an aggregate's life."""

    tenant: str
    aggregate: str
    id: str
    fact: str
    ordinal: str | None = None

    def __str__(self) -> str:
        tail = f".{self.ordinal}" if self.ordinal is not None else ""
        return f"evt.{self.tenant}.{self.aggregate}.{self.id}.{self.fact}{tail}"

    @property
    def stem(self) -> str:
        """The pattern of the whole aggregate, for loading it and for guarding it."""
        return aggregate_pattern(self.tenant, self.aggregate, self.id)

    @classmethod
    def parse(cls, subject: str) -> "EventSubject":
        """The parts of ``subject``. Raises ValueError when it is no event subject."""
        return _parsed(subject)


@lru_cache(512)  # a handler asks several times of the message that it handles
def _parsed(subject: str) -> EventSubject:
    match subject.split("."):
        case ["evt", tenant, aggregate, id_, fact]:
            return EventSubject(tenant, aggregate, id_, fact)
        case ["evt", tenant, aggregate, id_, fact, ordinal]:
            return EventSubject(tenant, aggregate, id_, fact, ordinal)
        case _:
            raise ValueError(f"not an event subject: {subject!r}")


def aggregate_pattern(tenant: str, aggregate: str, id_: str) -> str:
    """Every subject of one aggregate."""
    return f"evt.{tenant}.{aggregate}.{id_}.>"


def fill(pattern: str, *tokens: str) -> str:
    """Put ``tokens`` in place of the wildcards of ``pattern``, in order.

    Raises ValueError when their number differs or one of them could not stand in a subject; nothing that came from outside
    can thus reach another subject.
    """
    parts = pattern.split(".")
    values = iter(tokens)
    filled: list[str] = []
    for part in parts:
        if part != "*":
            filled.append(part)
            continue
        value = next(values, None)
        if value is None or not is_token(value):
            raise ValueError(f"{pattern!r} needs a token of A-Z a-z 0-9 _ - for each '*', got {tokens!r}")
        filled.append(value)
    if next(values, None) is not None:
        raise ValueError(f"{pattern!r} takes {pattern.count('*')} tokens, got {len(tokens)}")
    return ".".join(filled)


def matches(pattern: str, subject: str) -> bool:
    """Whether a NATS pattern (``*`` one token, a final ``>`` one or more) covers ``subject``."""
    wanted, have = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(have) > index
        if index >= len(have) or token not in ("*", have[index]):
            return False
    return len(wanted) == len(have)
