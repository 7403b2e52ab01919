"""The analyser within this process, for suites that are about something else than its pool of processes."""

import asyncio
from collections.abc import Sequence

from services.policy.redacting.finding import Analysis
from services.policy.redaction import Redactor, Segment


class InProcess:
    """Analyses on a thread, with one detector for the whole run."""

    def __init__(self) -> None:
        self._redactor = Redactor()

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        return await asyncio.to_thread(self._redactor.analyses, segments)
