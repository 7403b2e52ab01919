"""What people do with approvals: answer, remark, edit. Subject → handler, and the shell around the domain."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from agentos.bus import Bus, Route
from agentos.contracts.base import Contract, Json
from agentos.contracts.commands import Answer, CommentApproval, EditApproval, ResolveApproval
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import Forbidden, NeverRetry, Refused
from agentos.contracts.events.approval import ApprovalAnswered, DelegationGranted
from agentos.contracts.subjects import EventSubject
from agentos.telemetry import trace_of
from services.gates.answers import answer_command, refusal
from services.gates.domain import delegations
from services.gates.domain import votes as domain
from services.gates.records import ApprovalRecords, Case


class Votes:
    """Handlers of the gates for people's commands on approvals, and for policy's rulings on them."""

    def __init__(self, bus: Bus, records: ApprovalRecords) -> None:
        self._bus = bus
        self._records = records

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("gates.resolve", self.on_resolve),
            Route("approval.ruled", self.on_ruled),
            Route("gates.comment", self.on_comment),
            Route("gates.edit", self.on_edit),
            Route("approval.revised", self.on_revised),
        ]

    async def on_resolve(self, message: Recorded) -> None:
        """A person answers: note it, and let policy rule on whether it counts."""
        command = message.payload(ResolveApproval)
        case = await self._records.load(command.tenant, command.approval)
        if case.made_by(message, ApprovalAnswered):
            # Noted at an earlier delivery of this command; the ruling brings the word.
            return
        now, request = datetime.now(UTC), _request(message)
        try:
            delegation = await self._delegation(command, now)
            answered = domain.answer(case.approval, command, delegation, request, now)
            traceparent = await self._records.open_task(command.tenant, answered.context.task, answered.context.attempt)
        except Refused as refused:
            await answer_command(self._bus, message, refusal(refused))
            return
        with trace_of(traceparent, "gates notes an answer"):
            number = max(case.approval.answered, default=0) + 1
            await self._records.append(case, "approval.answered", answered, message, number)

    async def _delegation(self, command: ResolveApproval, now: datetime) -> DelegationGranted | None:
        if command.delegation is None:
            return None
        events = await self._bus.load(command.tenant, "delegation", command.delegation)
        return delegations.usable([event.data for event in events], command.by.id, now)

    async def on_ruled(self, message: Recorded) -> None:
        """Policy has ruled on an answer: it may be the one that decides. Either way the person is told."""
        case, number = await self._ruled_on(message)
        answered = case.approval.answered.get(number)
        if answered is None:
            raise NeverRetry(f"{message.subject} rules on an answer that does not stand", code="no_such_answer")

        async def word() -> dict[str, Json]:
            return domain.word((await self._records.publish(case, message)).approval, number)

        await self._tell(message, case, answered.request, word)

    async def on_comment(self, message: Recorded) -> None:
        """A person remarks."""
        command = message.payload(CommentApproval)
        case = await self._records.load(command.tenant, command.approval)
        noted = await self._note(
            message,
            case,
            "approval.commented",
            case.approval.comments + 1,
            lambda: domain.comment(case.approval, command),
        )
        if noted:
            await answer_command(self._bus, message, Answer(ok=True, data={"approval": case.id}))

    async def on_edit(self, message: Recorded) -> None:
        """A person wants something else to be done: note it, and let policy rule on it."""
        command = message.payload(EditApproval)
        case = await self._records.load(command.tenant, command.approval)
        await self._note(
            message,
            case,
            "approval.edited",
            max(case.approval.edited, default=0) + 1,
            lambda: domain.edit(case.approval, command, _request(message), datetime.now(UTC)),
        )

    async def _note(self, message: Recorded, case: Case, channel: str, number: int, decide: Callable[[], Contract]) -> bool:
        """Append what a command comes to, once however often it is delivered; a refusal is answered at once, and False."""
        if case.made_by(message, Contract):
            return True
        try:
            event = decide()
        except Refused as refused:
            await answer_command(self._bus, message, refusal(refused))
            return False
        await self._records.append(case, channel, event, message, number)
        return True

    async def on_revised(self, message: Recorded) -> None:
        """Policy has ruled on an edit: the person is told, with the difference."""
        case, number = await self._ruled_on(message)
        edited = case.approval.edited.get(number)
        if edited is None:
            raise NeverRetry(f"{message.subject} rules on an edit that does not stand", code="no_such_edit")

        async def word() -> dict[str, Json]:
            return domain.word_on_edit(case.approval, number)

        await self._tell(message, case, edited.request, word)

    # --- what policy has ruled on -------------------------------------------------------------------------------------

    async def _ruled_on(self, message: Recorded) -> tuple[Case, int]:
        """The approval of a ruling, and the number of what was ruled on."""
        subject = EventSubject.parse(message.subject)
        return await self._records.load(subject.tenant, subject.id), int(subject.ordinal or 0)

    async def _tell(self, message: Recorded, case: Case, request: str, word: Callable[[], Awaitable[dict[str, Json]]]) -> None:
        """Answer the person's request with the word, or with the refusal that it raises."""
        try:
            answer = Answer(ok=True, data={"approval": case.id, **await word()})
        except (Refused, Forbidden) as refused:
            answer = refusal(refused)
        await self._bus.send("gates.answer", (request,), answer, tenant=case.tenant, cause=message)


def _request(message: Recorded) -> str:
    return message.subject.rsplit(".", 1)[-1]
