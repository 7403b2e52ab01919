"""The evaluator that decides right now, and how another takes its place between two decisions."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog

from agentos.telemetry import gauge
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import Decision, Question

log = structlog.get_logger(__name__)

SHIPPED = 0
"""The version of the rules that AgentOS ships: any published one is newer."""


@dataclass(slots=True)
class _Serving:
    evaluator: PolicyEvaluator
    version: int
    running: int = 0
    retired: bool = False


class ActivePolicy:
    """A ``PolicyEvaluator`` that can be swapped. A decision that has begun ends with the rules it began with; none waits and none is lost."""

    def __init__(self, evaluator: PolicyEvaluator, version: int = SHIPPED) -> None:
        self._serving = _Serving(evaluator, version)
        self._swapped = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._version = gauge("agentos_policy_bundle_version", "The version of the rules that decide; 0 for the shipped ones.")
        self._version.set(version)

    @property
    def revision(self) -> str:
        """See ``PolicyEvaluator.revision``."""
        return self._serving.evaluator.revision

    @property
    def version(self) -> int:
        """The published version that decides, or ``SHIPPED``."""
        return self._serving.version

    async def decide(self, question: Question) -> Decision:
        """See ``PolicyEvaluator.decide``."""
        serving = self._serving
        serving.running += 1
        try:
            return await serving.evaluator.decide(question)
        finally:
            serving.running -= 1
            if serving.retired and serving.running == 0:
                self._close(serving)

    async def versions(self) -> AsyncGenerator[int]:
        """The version that decides now, and every one that begins to; one that is over before it is looked at is left out."""
        while True:
            changed = self._swapped
            yield self._serving.version
            await changed.wait()

    def swap(self, evaluator: PolicyEvaluator, version: int) -> None:
        """Every decision that begins from now on is ``evaluator``'s. The former one is closed when its last decision has ended."""
        former, self._serving = self._serving, _Serving(evaluator, version)
        self._version.set(version)
        log.info("policy_swapped", version=version, revision=evaluator.revision, former_version=former.version)
        self._swapped, swapped = asyncio.Event(), self._swapped
        swapped.set()
        former.retired = True
        if former.running == 0:
            self._close(former)

    async def close(self) -> None:
        """See ``PolicyEvaluator.close``."""
        await self._serving.evaluator.close()
        await asyncio.gather(*self._closing)

    def _close(self, serving: _Serving) -> None:
        task = asyncio.create_task(serving.evaluator.close(), name="policy-evaluator-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


__all__ = ["SHIPPED", "ActivePolicy"]
