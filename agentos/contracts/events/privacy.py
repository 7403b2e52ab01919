"""Who saw sealed data, and what was erased. Nothing here names a person: ``person`` is a keyed hash of an identifier."""

from typing import Literal

from pydantic import Field

from agentos.contracts.base import Contract, Principal, Token, Utc


class PayloadRevealed(Contract):
    """Somebody was shown what is sealed. It stands in the log before it is shown; where it cannot be written nothing is shown.

    ``reveal``: one field of one event, on request. ``result``: a task's result, by somebody else than who asked for the task.
    ``export``: all that is held about a task family or a person.
    """

    what: Literal["reveal", "result", "export"]
    families: tuple[Token, ...]
    """Names of the data keys that were used."""
    task: Token | None = None
    event: str | None = None
    """Subject of the event that was opened."""
    field: str | None = None
    purpose: str | None = None
    """What the value was sealed for."""
    person: str | None = None
    reason: str = Field(max_length=1_000)
    by: Principal


class ErasureRequested(Contract):
    """An erasure begins. ``families`` are the data keys that will be deleted; a gateway that crashes finishes it when asked again."""

    target: Literal["task", "subject"]
    task: Token | None = None
    person: str | None = None
    families: tuple[Token, ...]
    reason: str = Field(max_length=1_000)
    by: Principal


class ErasureCertified(Contract):
    """The certificate: the data keys of ``families`` are gone, and with them all that was sealed for ``tasks``, in every copy.

    ``digest`` is the SHA-256 of the request's event id, the families and the tasks, for a person to quote.
    """

    target: Literal["task", "subject"]
    task: Token | None = None
    person: str | None = None
    families: tuple[Token, ...]
    tasks: tuple[Token, ...]
    keys_erased: int
    keys_gone_before: int
    """Families whose key an earlier erasure had deleted."""
    placeholder_maps_erased: int
    index_entries_erased: int
    requested_at: Utc
    reason: str
    by: Principal
    digest: str
