"""A reader who was told of an event reads what is at least as new: the position travels with the request to whoever asks the ledger.

Events are told when they are stored, and the ledger folds them a little later. A client says in ``Agentos-Position`` up to where it was
told; its read then waits for the ledger, though no longer than ``WAIT_MS``. What was read earlier than that place says so in
``Agentos-Behind``, and is to be read again.
"""

import re
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

HEADER = "Agentos-Position"
BEHIND = "Agentos-Behind"
WAIT_MS = 1_000
_POSITION = re.compile(r"[0-9]{1,18}")


@dataclass(slots=True)
class Told:
    """Up to where the reader of this request was told. ``behind`` is set when something was read that is older."""

    position: int
    behind: bool = False


_told: ContextVar[Told | None] = ContextVar("told", default=None)


async def as_told(request: Request, endpoint: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
    """The endpoint's answer, as new as the reader was told, or marked as older. Nothing waits for a reader who says no position."""
    said = request.headers.get(HEADER, "")
    if not _POSITION.fullmatch(said):
        return await endpoint(request)
    told = Told(int(said))
    token = _told.set(told)
    try:
        answer = await endpoint(request)
    finally:
        _told.reset(token)
    if told.behind:
        answer.headers[BEHIND] = said
    return answer


def current() -> Told | None:
    """What the reader says whose request is being answered."""
    return _told.get()
