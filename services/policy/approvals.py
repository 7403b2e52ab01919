"""Who may answer an approval: the Rego package ``agentos.approval``, asked for every answer before it counts."""

from agentos.bus import Bus, Route
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import RetryLater, Unavailable
from agentos.contracts.events.governance import ApprovalAnswered, ApprovalRuled
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.subjects import EventSubject
from agentos.telemetry import counter
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import ApprovalQuestion, Asker, PendingApproval
from services.policy.verdicts import append_verdict, askable, fail_closed, ruling


class ApprovalRules:
    """Handlers of the policy service for approvals."""

    def __init__(self, bus: Bus, evaluator: PolicyEvaluator) -> None:
        self._bus = bus
        self._evaluator = evaluator
        self._decisions = counter("agentos_decisions_total", "Verdicts.", ("kind", "verdict"))

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("approval.answered", self.on_answered)]

    async def on_answered(self, message: Recorded) -> None:
        """May this person answer this approval so?"""
        answered = message.payload(ApprovalAnswered)
        subject = EventSubject.parse(message.subject)
        ruled = await fail_closed(message, lambda: self._rule(subject.tenant, answered), self._denied)
        self._decisions.labels("approval", ruled.verdict).inc()
        await append_verdict(self._bus, "approval.ruled", message, ruled, int(subject.ordinal or 0))

    async def _rule(self, tenant: str, answered: ApprovalAnswered) -> ApprovalRuled:
        submitted = await self._bus.get(f"evt.{tenant}.task.{answered.context.task}.submitted")
        if submitted is None:
            raise RetryLater(f"task {answered.context.task} cannot be read yet, so who asked for it is not known")
        requester = submitted.payload(TaskSubmitted).requester
        question = askable(
            lambda: ApprovalQuestion(
                principal=Asker.of(answered.by),
                approval=PendingApproval(requested_by=requester.id, approver_roles=answered.approver_roles),
                outcome=answered.outcome,
            )
        )
        # An approval rule that would hold an approval is no answer; only "allow" lets it count.
        return ApprovalRuled(**ruling(question, await self._evaluator.decide(question)))

    def _denied(self, code: str) -> ApprovalRuled:
        try:
            revision = self._evaluator.revision
        except Unavailable:
            revision = "unavailable"
        return ApprovalRuled(verdict="deny", reasons=(code,), rules=(), bundle=revision)
