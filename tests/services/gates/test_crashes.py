"""Gates killed at any moment: before or after each single write, whatever handles it. Nothing is lost, and nothing happens twice."""

from collections.abc import Callable, Coroutine
from typing import Any

from agentos.bus import Bus
from agentos.bus.publishing import PUBLISH_TRIES
from agentos.contracts.commands import Answer, CommentApproval, EditApproval, HoldCall, ResolveApproval
from agentos.contracts.envelope import Recorded
from agentos.contracts.events.approval import ApprovalRevised, ApprovalRuled
from services.gates.handlers import Gates
from services.gates.settings import Settings
from tests.conftest import Broker
from tests.governance.scenario import APPROVER, SEALED, TENANT, context, decision, message, submission
from tests.services.gates.house import person

BERT = person("bert")


class Killed(Exception):
    """The process is gone."""


class Mortal:
    """A gates whose process dies at its ``at``-th write, before or after it reaches the broker; and which is then started again."""

    def __init__(self, bus: Bus, at: int | None, *, after: bool) -> None:
        self.bus, self.at, self.after = bus, at, after
        self.writes = 0
        self._publish = bus._publish
        bus._publish = self.publish

    async def publish(self, subject: str, body: bytes, headers: Any, tries: int = PUBLISH_TRIES) -> tuple[int, bool]:
        self.writes += 1
        if self.writes == self.at and not self.after:
            raise Killed
        done = await self._publish(subject, body, headers, tries)
        if self.writes == self.at:
            raise Killed
        return done

    async def survive(
        self, handle: Callable[[Gates], Callable[[Recorded], Coroutine[Any, Any, None]]], given: Recorded
    ) -> None:
        """Handle the message; when it kills the process, have it delivered again to the next one."""
        try:
            await handle(Gates(self.bus, Settings()))(given)
        except Killed:
            await handle(Gates(self.bus, Settings()))(given)


async def _story(mortal: Mortal, policy: Bus, call: str) -> None:
    """Held, one vote, a comment, an edit that voids the vote, two votes on the edit."""
    bus = mortal.bus
    held = decision("hold", task=call, obligations={"quorum": 2, "escalation": [{"after_s": 600, "roles": ["admin"]}]})
    await policy.append("call.decided", call, held, tenant=TENANT, correlation_id=call)
    told = HoldCall(tenant=TENANT, decision=f"evt.{TENANT}.call.{call}.decided")
    await mortal.survive(lambda gates: gates.approvals.on_hold, message("gates.hold", (call,), told))

    async def vote(number: int, by: Any, digest: str) -> None:
        answer = ResolveApproval(tenant=TENANT, approval=call, outcome="approved", digest=digest, by=by)
        await mortal.survive(lambda gates: gates.votes.on_resolve, message("gates.resolve", (f"{call}-r{number}",), answer))
        ruled = ApprovalRuled(verdict="allow", reasons=(), rules=(), bundle="b")
        await policy.append("approval.ruled", call, ruled, tenant=TENANT, ordinal=number)
        event = await bus.get(f"evt.{TENANT}.approval.{call}.ruled.{number}")
        assert event is not None
        await mortal.survive(lambda gates: gates.votes.on_ruled, event)

    await vote(1, APPROVER, held.digest)
    remark = CommentApproval(tenant=TENANT, approval=call, text=SEALED, length=1, by=BERT)
    await mortal.survive(lambda gates: gates.votes.on_comment, message("gates.comment", (f"{call}-c",), remark))
    edit = EditApproval(tenant=TENANT, approval=call, base_digest=held.digest, content=SEALED, by=person("carl"))
    await mortal.survive(lambda gates: gates.votes.on_edit, message("gates.edit", (f"{call}-e",), edit))
    revised = ApprovalRevised(
        context=context(call),
        by=edit.by,
        base_digest=held.digest,
        digest="edited",
        verdict="hold",
        reasons=(),
        rules=(),
        bundle="b",
    )
    await policy.append("approval.revised", call, revised, tenant=TENANT, ordinal=1)
    event = await bus.get(f"evt.{TENANT}.approval.{call}.revised.1")
    assert event is not None
    await mortal.survive(lambda gates: gates.votes.on_revised, event)
    await vote(2, APPROVER, "edited")
    await vote(3, BERT, "edited")


EXPECTED = [
    "requested", "answered.1", "ruled.1", "commented.1", "edited.1", "revised.1", "answered.2", "ruled.2", "answered.3", "ruled.3",
    "resolved",
]  # fmt: skip


async def _answers(gateway: Bus) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    tail = gateway.tail(("ans.gates.*",), stream="ANSWERS", start="first").updates()
    try:
        async for raw in tail:
            if raw is None:
                return found
            found.setdefault(raw.subject.rpartition(".")[2], []).append((await gateway.decode(raw)).payload(Answer))
    finally:
        await tail.aclose()
    return found


async def test_killed_at_any_write_the_approval_comes_out_the_same_and_each_person_is_told(broker: Broker) -> None:
    policy, orchestrator, gateway = [await broker.connect(name) for name in ("policy", "orchestrator", "gateway")]
    bus = await broker.connect("gates")

    async def run(call: str, at: int | None, *, after: bool) -> int:
        await orchestrator.append("task.submitted", call, submission(), tenant=TENANT)
        mortal = Mortal(bus, at, after=after)
        try:
            await _story(mortal, policy, call)
        finally:
            bus._publish = mortal._publish
        assert [one.subject.split(".", 4)[4] for one in await gateway.load(TENANT, "approval", call)] == EXPECTED, (
            call,
            at,
            after,
        )
        return mortal.writes

    whole = await run("whole", None, after=False)
    assert whole >= 15
    for at in range(1, whole + 1):
        for after in (False, True):
            await run(f"x{at}-{int(after)}", at, after=after)
    assert await bus.bucket("approvals").keys() == []
    told = await _answers(gateway)
    calls = ["whole", *(f"x{at}-{after}" for at in range(1, whole + 1) for after in (0, 1))]
    for call in calls:
        for request in (f"{call}-r1", f"{call}-r2", f"{call}-r3", f"{call}-c", f"{call}-e"):
            assert {word.ok for word in told[request]} == {True}, request
        assert told[f"{call}-r3"][-1].data["state"] == "approved"
