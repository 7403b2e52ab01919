import asyncio
from collections.abc import Sequence

import pytest

from services.policy.redacting.finding import Analysis
from services.policy.redaction import Redactor, Segment


class Pool:
    def __init__(self) -> None:
        self.redactor = Redactor()

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        return await asyncio.to_thread(self.redactor.analyses, segments)


@pytest.fixture(scope="session")
def pool() -> Pool:
    return Pool()
