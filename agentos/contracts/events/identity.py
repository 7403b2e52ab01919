"""People and their sessions: who was let in, who was not, and every change of who may do what.

The log is kept for ever, so a person stands in it as an opaque id; names are in bucket ``users``, from which they can be erased.
"""

from typing import Literal

from agentos.contracts.base import Contract, Principal, Sealed, Token, Utc

SignInMethod = Literal["password", "oidc", "setup"]


class UserChanged(Contract):
    """A person's account was made, changed or deleted; what stands here is how it is now. One fact a change, with an ordinal of its own."""

    change: Literal[
        "created", "updated", "disabled", "enabled", "password_set", "password_changed", "signed_in_elsewhere", "deleted"
    ]
    """``password_set`` is somebody else's doing, ``password_changed`` their own; ``signed_in_elsewhere`` took roles from a provider."""
    roles: tuple[str, ...]
    disabled: bool
    by: Principal


class SessionOpened(Contract):
    """Somebody signed in; the session's id is the aggregate's."""

    user: Token
    method: SignInMethod
    expires_at: Utc
    by: Principal


class SessionClosed(Contract):
    """A session opens nothing any more.

    ``reused``: a refresh token came that had been exchanged before, so that somebody has a copy; nobody knows who.
    """

    user: Token
    reason: Literal["logout", "revoked", "reused", "password", "disabled", "deleted"]
    by: Principal


class SignInRefused(Contract):
    """Somebody was not let in: told of the first refusal in a while, and of each lock. ``user`` is none where no such account exists.

    What was typed stands nowhere: people type passwords into the wrong field.
    """

    user: Token | None
    reason: Literal["credentials", "locked", "provider", "setup"]
    failures: int
    """In a row, of this account or address."""
    locked_until: Utc | None = None
    address: Sealed | None = None
    """Where it came from."""
