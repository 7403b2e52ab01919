"""What is done with each kind of find, by destination: a local model may see what a cloud may not."""

import hashlib
import hmac
from collections.abc import Iterable

from pydantic import Field

from agentos.contracts.base import Contract
from agentos.contracts.errors import NeverRetry, Unavailable
from agentos.contracts.events.call import Operator, RedactedEntity
from agentos.sealing.placeholders import normalised

_TAIL = frozenset({"PHONE", "CARD", "IBAN", "SSN", "ID", "ACCOUNT", "NUMBER"})
"""Of these a mask shows the last four characters, as receipts do, when there are at least eight."""


class Blocked(NeverRetry):
    """The plan does not let these kinds leave at all. Deny the call, and name the kinds; the values are nowhere in here."""

    code = "redaction.blocked"

    def __init__(self, entities: Iterable[str]) -> None:
        self.entities = tuple(sorted(set(entities)))
        self.found = tuple(RedactedEntity(entity=kind, placeholder="", operator="block") for kind in self.entities)
        super().__init__(f"The destination may not receive: {', '.join(self.entities)}.", entities=self.entities)


class Plan(Contract):
    """What is done with each find on the way to one destination.

    ``operators`` is keyed by the entity (``UK_NHS``), the stem of its placeholder (``ID``) or ``*``, and looked up in that order; what is
    not said is replaced.
    """

    destination: str = "cloud"
    operators: dict[str, Operator] = Field(default_factory=dict[str, Operator])
    never_allowed: frozenset[str] = frozenset({"SECRET"})
    """Entities and stems that are replaced where ``allow`` is said of them, by name or by ``*``: a slip in a plan must not send a key."""
    hash_key: bytes | None = Field(default=None, repr=False, exclude=True)
    """For ``hash``: see ``keyed``."""

    def keyed(self, data_key: bytes) -> "Plan":
        """The plan with hashes that only who has the task's data key can try values on, and that nobody can once it is erased."""
        return self.model_copy(update={"hash_key": hmac.digest(data_key, b"agentos redaction hash", hashlib.sha256)})

    def operator(self, entity: str, stem: str) -> Operator:
        """What is done with a find. Look-alikes of placeholders are replaced, whatever the plan says."""
        operators = self.operators
        if stem == "LITERAL" or not operators:
            return "replace"
        said = operators.get(entity) or operators.get(stem) or operators.get("*") or "replace"
        return "replace" if said == "allow" and not self.never_allowed.isdisjoint((entity, stem)) else said

    def irreversible(self, operator: Operator, stem: str, value: str) -> str:
        """What ``mask``, ``hash`` and ``drop`` leave of a value. Raises ``Unavailable`` for a hash without a key."""
        match operator:
            case "drop":
                return ""
            case "mask":
                return _masked(stem, value)
            case "hash":
                if self.hash_key is None:
                    raise Unavailable("The plan hashes, but has no key to hash with.", code="redactor_failed")
                message = f"{stem}\0{normalised(stem, value)}".encode("utf-8", "surrogatepass")
                return f"<{stem}#{hmac.digest(self.hash_key, message, hashlib.sha256).hex()[:8]}>"
            case _:
                raise ValueError(f"{operator} is not irreversible")


def _masked(stem: str, value: str) -> str:
    if stem in _TAIL:
        characters = "".join(filter(str.isalnum, value))
        return "****" + (characters[-4:] if len(characters) >= 8 else "")
    # Short, middling or long: enough to see what was there, too little to guess from.
    return "*" * (2 if len(value) <= 4 else 4 if len(value) <= 16 else 8)


REPLACE_ALL = Plan()
"""Every find becomes a placeholder."""

__all__ = ["REPLACE_ALL", "Blocked", "Plan"]
