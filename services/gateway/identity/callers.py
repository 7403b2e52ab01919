"""An authenticated request's sender, however they showed who they are."""

from dataclasses import dataclass
from datetime import datetime

from agentos.contracts.base import Principal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who, whose, and within what bounds. Two of one request's callers are equal while nothing about them has changed."""

    principal: Principal
    tenant: str
    name: str
    session: str | None = None
    """Of a person who signed in; a key has none."""
    scopes: frozenset[str] | None = None
    """Actions that a key is limited to, whatever its roles have; None for no such limit."""
    ends_at: datetime | None = None
    """When the session or the key is over, at the latest."""
    must_change: bool = False
    """Whether nothing is open but the change of the own password."""

    def covers(self, action: str) -> bool:
        """Whether the sender's own bounds leave ``action`` in. Roles are the rules' business."""
        return self.scopes is None or action in self.scopes


__all__ = ["Caller"]
