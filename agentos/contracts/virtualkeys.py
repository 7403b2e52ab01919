"""Virtual keys: what a client of the governed endpoint comes in with, and what it may do with it (bucket ``virtualkeys``).

The gateway writes them and asks them who calls; policy reads them for the models, the budgets and whether the key still holds.
"""

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from agentos.contracts.base import Contract, Token, Utc
from agentos.contracts.budgets import Budget


class VirtualKeyTerms(Contract):
    """Whose calls come in with a key, and what limits them."""

    pack: Token
    """The calls count as this pack's, for policy, budgets, routing and the kill switch. No such pack need exist."""
    agent: Token = "client"
    task_type: Token = "endpoint"
    models: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(default=(), max_length=200)
    """Names as the client asks for them, ``*`` within them for anything: ``fast``, ``openai/*``. Empty: every model."""
    budgets: tuple[Budget, ...] = Field(default=(), max_length=20)
    """Beside those that the rules name; each draws on an account of this key's."""
    untrusted: bool = False
    """Whether everything that comes in with the key counts as content from outside."""
    expires_at: Utc | None = None

    def permits(self, model: str) -> bool:
        """Whether the key may ask for ``model``, an alias or ``provider/model``."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)


class VirtualKey(VirtualKeyTerms):
    """What is kept of a key; never the key."""

    id: Token
    name: str
    tenant: Token
    digest: str
    """Hex SHA-256 of the whole key."""
    created_at: Utc
    created_by: str
    revoked_at: Utc | None = None

    def holds(self, now: datetime) -> bool:
        """Whether the key opens anything at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
