"""May a pack ask a person, and what does that person read? The Rego package ``agentos.checkpoint``.

The question is redacted with the task's placeholders: it is shown to people who may not see what the task has seen, and kept for ever.
"""

from datetime import UTC, datetime

from agentos.bus import Bus, Route
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.governance import CheckpointDecided, CheckpointRequested
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch, Work
from agentos.telemetry import counter
from services.policy.evaluator import PolicyEvaluator
from services.policy.history.domain import UNTRUSTED
from services.policy.history.domain import asked as asking
from services.policy.questions import CheckpointQuestion
from services.policy.reading import Reader
from services.policy.redaction import read_text
from services.policy.verdicts import append_verdict, askable, fail_closed, revision_of, ruling

QUESTION = "checkpoint.question"


class CheckpointRules:
    """The handler of the policy service for what a pack asks a person."""

    def __init__(
        self,
        bus: Bus,
        evaluator: PolicyEvaluator,
        keys: KeyRing,
        kill: KillSwitch,
        reader: Reader,
    ) -> None:
        self._bus = bus
        self._evaluator = evaluator
        self._keys = keys
        self._kill = kill
        self._reader = reader
        self._decisions = counter("agentos_decisions_total", "Verdicts.", ("kind", "verdict"))

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("checkpoint.requested", self.on_requested)]

    async def on_requested(self, message: Recorded) -> None:
        """May this be asked, of whom, and until when?"""
        asked = message.payload(CheckpointRequested)
        subject, context = EventSubject.parse(message.subject), asked.context

        def denied(*reasons: str) -> CheckpointDecided:
            return CheckpointDecided(
                context=context,
                verdict="deny",
                reasons=reasons,
                rules=(),
                bundle=revision_of(self._evaluator),
                digest=asked.digest,
            )

        work = Work(subject.tenant, pack=context.pack, agent=context.agent, task=context.task, running=True)
        blocked = self._kill.blocked(work)
        if blocked is not None:
            decided = denied("kill_switch", blocked.describe())
        else:
            decided = await fail_closed(message, lambda: self._rule(subject, asked), denied)
        self._decisions.labels("checkpoint", decided.verdict).inc()
        await append_verdict(self._bus, "checkpoint.decided", message, decided)

    async def _rule(self, subject: EventSubject, asked: CheckpointRequested) -> CheckpointDecided:
        tenant, context, family = subject.tenant, asked.context, asked.question.key
        read = read_text((await self._keys.open(tenant, QUESTION, asked.question)).decode())
        this = asking(subject.id, context.task, datetime.now(UTC))
        # Where it goes is where a tool's arguments go: to approvers, and into the log.
        reading = await self._reader.read(tenant, family, context, "tool", read, this)
        history, redacted = reading.history, reading.redacted
        question = askable(
            lambda: CheckpointQuestion(
                tenant=tenant,
                task=context.task,
                task_type=context.task_type,
                pack=context.pack,
                agent=context.agent,
                untrusted=context.untrusted or UNTRUSTED in history.labels,
                asked_so_far=history.asked_before(subject.id, context.task),
            )
        )
        decision = await self._evaluator.decide(question)
        return CheckpointDecided(
            **ruling(question, decision),
            context=context,
            obligations=decision.obligations,
            digest=asked.digest,
            labels=tuple(sorted(history.labels)),
            redacted_question=redacted.value,
            entities=redacted.entities,
            placeholders=reading.placeholders,
        )
