"""Redaction: personal data and secrets out, reversible placeholders in. What is found is said in ``detection``.

Two things hold for every text under a plan that replaces: ``restore(redacted.text, redacted.vault)`` is the text, and no value that was
found, now or earlier in the task, is left in it where it stands as itself (see ``redacting.known``). A redactor that cannot finish raises
``Unavailable``: the caller makes no call.

There are two steps, since finding is slow and replacing is not: ``read_…`` gives the segments, whose analyses come from this process
(``Redactor``) or from others (``analysis.AnalysisPool``), and ``redacted`` puts both together.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from agentos.contracts.base import Json
from agentos.contracts.errors import AgentOSError, Unavailable
from agentos.contracts.events.call import RedactedEntity
from agentos.contracts.model import ModelRequest, ModelResponse
from agentos.sealing.placeholders import PlaceholderVault
from services.policy.answers import AnswerFindings, scan
from services.policy.redacting.finding import NOTHING, Analysis, AnalysisCache, Finder, analyse, as_read, needs_analysis
from services.policy.redacting.plan import REPLACE_ALL, Blocked, Plan
from services.policy.redacting.replacing import replace_findings
from services.policy.redacting.segments import MAX_CHARS, Read, Segment, read_json, read_request, read_response, read_text

T = TypeVar("T")

_AT_ONCE = 64 * 1024
"""Characters that are replaced within some milliseconds."""


@dataclass(frozen=True)
class Redacted(Generic[T]):
    """What was redacted, the vault that restores it, and each replacement in it once, in order of appearance."""

    value: T
    vault: PlaceholderVault
    entities: tuple[RedactedEntity, ...]


def redacted(read: Read[T], analyses: Sequence[Analysis], vault: PlaceholderVault, plan: Plan) -> Redacted[T]:
    """The second step, for the ``analyses`` of ``read.segments`` in their order. Pure, and quick: 10 ms for a megabyte.

    Raises ``Blocked``, and ``Unavailable`` when anything else goes wrong.
    """
    try:
        replaced = replace_findings(read.segments, analyses, vault, plan)
        return Redacted(read.written(replaced.texts), replaced.vault, replaced.entities)
    except AgentOSError:
        raise
    except Exception as error:  # noqa: BLE001  # fail closed: an unforeseen error must not let a text through
        raise _failed(error) from None


async def redact(read: Read[T], analyses: Sequence[Analysis], vault: PlaceholderVault, plan: Plan) -> Redacted[T]:
    """``redacted``, in a thread where it would hold up the event loop for more than a few milliseconds."""
    if sum(len(segment.text) for segment in read.segments) < _AT_ONCE:
        return redacted(read, analyses, vault, plan)
    return await asyncio.to_thread(redacted, read, analyses, vault, plan)


def _failed(error: Exception) -> Unavailable:
    # Without its cause: that one's message may quote what it failed on.
    return Unavailable(f"The redactor failed ({type(error).__name__}).", code="redactor_failed")


class Redactor:
    """Both steps in this process. Build one per process: importing presidio takes half a second. Safe to use from several threads.

    Everything here is synchronous and takes one to three milliseconds per kilobyte that it has not seen before.
    """

    def __init__(self, finder: Finder | None = None, *, max_chars: int = MAX_CHARS) -> None:
        try:
            # Imported here: who replaces what others have found needs none of the recognizers, nor the 16 MB of what they load.
            from services.policy.detection import Detector

            self._finder = finder if finder is not None else Detector()
        except Exception as error:  # fail closed: whatever presidio raises, nothing can be redacted
            raise Unavailable(f"The redactor cannot start: {type(error).__name__}", code="redactor_failed") from error
        self._max_chars = max_chars
        self.cache = AnalysisCache()

    def redact_text(self, text: str, vault: PlaceholderVault, plan: Plan = REPLACE_ALL) -> Redacted[str]:
        """``text`` with placeholders. Raises ``Blocked``; ``Unavailable`` beyond ``max_chars`` and when anything goes wrong."""
        return self._redacted(read_text(text, max_chars=self._max_chars), vault, plan)

    def redact_json(self, value: Json, vault: PlaceholderVault, plan: Plan = REPLACE_ALL) -> Redacted[Json]:
        """The same for every string of a JSON value, object keys and numbers included (a number becomes a NUMBER placeholder).

        The key of an object is context for its value: ``{"password": "…"}``. A string that is itself JSON stays JSON.
        """
        return self._redacted(self._read(lambda: read_json(value, max_chars=self._max_chars)), vault, plan)

    def redact_request(
        self, request: ModelRequest, vault: PlaceholderVault, plan: Plan = REPLACE_ALL
    ) -> tuple[ModelRequest, PlaceholderVault, tuple[RedactedEntity, ...]]:
        """The same for all that a provider would see of a model request: see ``read_request``."""
        done = self._redacted(self._read(lambda: read_request(request, max_chars=self._max_chars)), vault, plan)
        return done.value, done.vault, done.entities

    def scan_answer(self, response: ModelResponse, request: ModelRequest, vault: PlaceholderVault) -> AnswerFindings:
        """What an answer holds that it should not: see ``answers.scan``. ``request`` is the redacted one that was answered."""
        read = self._read(lambda: read_response(response, max_chars=self._max_chars))
        return scan(read.segments, self.analyses(read.segments), request, vault)

    def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        """The first step."""
        try:
            return [as_read(segment, self._analysis(segment)) for segment in segments]
        except Exception as error:  # noqa: BLE001  # fail closed: see above
            raise _failed(error) from None

    def _analysis(self, segment: Segment) -> Analysis:
        if not needs_analysis(segment):
            return NOTHING
        key = self.cache.key(segment)
        known = self.cache.get(key)
        if known is None:
            known = analyse(self._finder, segment.hint, segment.text)
            self.cache.put(key, known)
        return known

    def _read(self, read: Callable[[], Read[T]]) -> Read[T]:
        try:
            return read()
        except AgentOSError:
            raise
        except Exception as error:  # noqa: BLE001  # fail closed: see above
            raise _failed(error) from None

    def _redacted(self, read: Read[T], vault: PlaceholderVault, plan: Plan) -> Redacted[T]:
        return redacted(read, self.analyses(read.segments), vault, plan)


__all__ = [
    "MAX_CHARS", "REPLACE_ALL", "AnswerFindings", "Blocked", "Plan", "Read", "Redacted", "Redactor", "Segment", "read_json",
    "read_request", "read_response", "read_text", "redact", "redacted",
]  # fmt: skip
