"""Who may answer or edit an approval (the Rego package ``agentos.approval``), and what an edit comes to.

An edit is ruled on twice: may this person decide on this approval at all, and may what they made of it be done. The second question is the
one that was asked of the original, by the same rules. A denial leaves what was asked for as it was.
"""

import json
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agentos.bus import Bus, Route
from agentos.contracts.base import Json, Sealed
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import NeverRetry, RetryLater
from agentos.contracts.events.approval import (
    ApprovalAnswered,
    ApprovalEdited,
    ApprovalRequested,
    ApprovalRevised,
    ApprovalRuled,
    DelegationGranted,
    DelegationRevoked,
)
from agentos.contracts.events.call import CallDecided, ModelCallRequested, ToolCallRequested
from agentos.contracts.model import ModelRequest
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.lineage import model_call, requester_of
from agentos.sdk.journal import canonical, step_digest
from agentos.sealing import PlaceholderVault, restore_json
from agentos.telemetry import counter
from services.policy.calls import CallRules
from services.policy.diff import changes
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import ApprovalQuestion, Asker, PendingApproval
from services.policy.verdicts import append_verdict, askable, fail_closed, revision_of, ruling

CONTENT, ARGUMENTS, REQUEST, PLACEHOLDERS = "approval.edit", "tool.arguments", "call.request", "placeholders"

_ARGUMENTS: TypeAdapter[dict[str, Json]] = TypeAdapter(dict[str, Json])


class ApprovalRules:
    """Handlers of the policy service for approvals."""

    def __init__(self, bus: Bus, evaluator: PolicyEvaluator, keys: KeyRing, calls: CallRules) -> None:
        self._bus = bus
        self._evaluator = evaluator
        self._keys = keys
        self._calls = calls
        self._decisions = counter("agentos_decisions_total", "Verdicts.", ("kind", "verdict"))

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("approval.answered", self.on_answered), Route("approval.edited", self.on_edited)]

    # --- answers ------------------------------------------------------------------------------------------------------

    async def on_answered(self, message: Recorded) -> None:
        """May this person answer this approval so?"""
        answered = message.payload(ApprovalAnswered)
        subject = EventSubject.parse(message.subject)
        ruled = await fail_closed(message, lambda: self._rule(subject, answered), self._denied)
        self._decisions.labels("approval", ruled.verdict).inc()
        await append_verdict(self._bus, "approval.ruled", message, ruled, int(subject.ordinal or 0))

    async def _rule(self, subject: EventSubject, answered: ApprovalAnswered) -> ApprovalRuled:
        delegator = answered.delegated_from
        requester = await requester_of(self._bus, subject.tenant, answered.context)
        digest, _ = await self._current(subject)
        in_force = delegator is None or await self._in_force(subject.tenant, answered)
        question = askable(
            lambda: ApprovalQuestion(
                principal=Asker.of(answered.by),
                approval=PendingApproval(
                    requested_by=requester.id,
                    approver_roles=answered.approver_roles,
                    four_eyes=answered.four_eyes,
                ),
                outcome=answered.outcome,
                voted_already=answered.voted,
                delegated_from=None if delegator is None else Asker.of(delegator),
                delegation_in_force=in_force,
                edited_by=answered.edited_by,
                digest_matches=answered.digest == digest,
            )
        )
        # An approval rule that would hold an approval is no answer; only "allow" lets it count.
        return ApprovalRuled(**ruling(question, await self._evaluator.decide(question)))

    async def _in_force(self, tenant: str, answered: ApprovalAnswered) -> bool:
        """Whether the log has that delegation, for this person and of that one, when the answer was given."""
        by, delegator = answered.by, answered.delegated_from
        events = await self._bus.load(tenant, "delegation", answered.delegation or "none")
        granted = next((event.data for event in events if isinstance(event.data, DelegationGranted)), None)
        if granted is None or delegator is None or any(isinstance(event.data, DelegationRevoked) for event in events):
            return False
        lent = granted.by.id == delegator.id and granted.to == by.id and set(delegator.roles) <= set(granted.roles)
        return lent and set(granted.roles) <= set(granted.by.roles)

    def _denied(self, code: str) -> ApprovalRuled:
        return ApprovalRuled(verdict="deny", reasons=(code,), rules=(), bundle=revision_of(self._evaluator))

    # --- edits --------------------------------------------------------------------------------------------------------

    async def on_edited(self, message: Recorded) -> None:
        """May this person want this instead, and may it be done?"""
        edited = message.payload(ApprovalEdited)
        subject = EventSubject.parse(message.subject)

        def denied(code: str) -> ApprovalRevised:
            return _revised(edited, verdict="deny", reasons=(code,), rules=(), bundle=revision_of(self._evaluator))

        revised = await fail_closed(message, lambda: self._revise(subject, edited, message.meta.time), denied)
        self._decisions.labels("edit", revised.verdict).inc()
        await append_verdict(self._bus, "approval.revised", message, revised, int(subject.ordinal or 0))

    async def _revise(self, subject: EventSubject, edited: ApprovalEdited, edited_at: datetime) -> ApprovalRevised:
        requester = await requester_of(self._bus, subject.tenant, edited.context)
        digest, standing = await self._current(subject)
        question = askable(
            lambda: ApprovalQuestion(
                principal=Asker.of(edited.by),
                approval=PendingApproval(
                    requested_by=requester.id, approver_roles=edited.approver_roles, four_eyes=edited.four_eyes
                ),
                outcome="approved",
                digest_matches=edited.base_digest == digest,
            )
        )
        may = await self._evaluator.decide(question)
        if may.verdict != "allow":
            return _revised(edited, **ruling(question, may) | {"verdict": "deny"})
        requested = await self._bus.get(f"evt.{subject.tenant}.approval.{subject.id}.requested")
        if requested is None:
            raise RetryLater(f"approval {subject.id} cannot be read yet")
        match requested.payload(ApprovalRequested).kind:
            case "tool":
                return await self._revise_tool(subject, edited, standing)
            case "model":
                return await self._revise_model(subject, edited, standing, edited_at)
            case "checkpoint":
                raise NeverRetry("a question to a person cannot be edited", code="not_editable")

    async def _revise_tool(
        self, subject: EventSubject, edited: ApprovalEdited, standing: ApprovalRevised | None
    ) -> ApprovalRevised:
        tenant = subject.tenant
        asked = (await self._needed(subject, "tool", "requested")).payload(ToolCallRequested)
        decided = (await self._needed(subject, "tool", "decided")).payload(CallDecided)
        typed = _parsed(await self._keys.open(tenant, CONTENT, edited.content))
        wanted = _ARGUMENTS.validate_python(restore_json(typed, await self._vault(tenant, decided, standing)))
        former_sealed = asked.arguments if standing is None or standing.content is None else standing.content
        former = json.loads(await self._keys.open(tenant, ARGUMENTS, former_sealed))
        shown = decided.redacted_arguments if standing is None else standing.preview.get("arguments")
        changed = asked.model_copy(
            update={
                "arguments": await self._keys.seal(tenant, asked.arguments.key, ARGUMENTS, canonical(wanted)),
                "digest": step_digest("tool", {"tool": asked.tool, "arguments": wanted}),
            }
        )
        ruled = (await self._calls.on_tool(tenant, subject.id, changed)).decided
        return _of_ruling(
            edited,
            ruled,
            preview={"tool": asked.tool, "arguments": ruled.redacted_arguments},
            diff=changes(former, wanted, shown, ruled.redacted_arguments),
            content=changed.arguments,
        )

    async def _revise_model(
        self, subject: EventSubject, edited: ApprovalEdited, standing: ApprovalRevised | None, edited_at: datetime
    ) -> ApprovalRevised:
        tenant = subject.tenant
        began = await model_call(self._bus, tenant, subject.id)
        if began is None:
            raise RetryLater(f"call {subject.id} cannot be read yet")
        asked = began.payload(ModelCallRequested)
        decided = (await self._needed(subject, "call", "decided")).payload(CallDecided)
        typed = _parsed(await self._keys.open(tenant, CONTENT, edited.content))
        try:
            wanted = ModelRequest.model_validate(restore_json(typed, await self._vault(tenant, decided, standing)))
        except ValidationError:
            raise NeverRetry("the edit is no model request", code="edit.unreadable") from None
        former_sealed = asked.request if standing is None or standing.content is None else standing.content
        former = await self._keys.open_model(tenant, REQUEST, former_sealed, ModelRequest)
        shown = decided.redacted_request if standing is None else standing.redacted_request
        changed = asked.model_copy(
            update={
                # Something came before it: what was asked for at first.
                "context": asked.context.model_copy(update={"alone": False}),
                "model": wanted.model,
                "request": await self._keys.seal_model(tenant, asked.request.key, REQUEST, wanted),
                "digest": step_digest("model", wanted.model_dump(mode="json")),
                "max_output_tokens": wanted.max_output_tokens,
            }
        )
        if wanted.model != former.model or wanted.max_output_tokens > former.max_output_tokens:
            # The budgets hold back the worst case of what was asked for, and hold it back once.
            raise NeverRetry("another model or more tokens than were asked for are another call", code="edit.costs_more")
        ruled = (await self._calls.on_model(tenant, subject.id, changed, edited_at)).decided
        redacted = ruled.redacted_request
        shown_new = None if redacted is None else redacted.model_dump(mode="json")
        return _of_ruling(
            edited,
            ruled,
            preview={"model": wanted.model, "request": shown_new},
            diff=changes(
                former.model_dump(mode="json"),
                wanted.model_dump(mode="json"),
                None if shown is None else shown.model_dump(mode="json"),
                shown_new,
            ),
            content=changed.request,
        )

    # --- the log ------------------------------------------------------------------------------------------------------

    async def _current(self, subject: EventSubject) -> tuple[str, ApprovalRevised | None]:
        """What the approval is for by now, and the edit that made it so, if one did."""
        digest, standing = "", None
        for event in await self._bus.load(subject.tenant, "approval", subject.id):
            match event.data:
                case ApprovalRequested():
                    digest = event.data.digest
                case ApprovalRevised(verdict=verdict, base_digest=base) if verdict != "deny" and base == digest:
                    digest, standing = event.data.digest, event.data
                case _:
                    continue
        return digest, standing

    async def _needed(self, subject: EventSubject, aggregate: str, fact: str) -> Recorded:
        found = await self._bus.get(f"evt.{subject.tenant}.{aggregate}.{subject.id}.{fact}")
        if found is None:
            raise RetryLater(f"{aggregate} {subject.id} cannot be read yet")
        return found

    async def _vault(self, tenant: str, decided: CallDecided, standing: ApprovalRevised | None) -> PlaceholderVault:
        """The placeholders that the person saw, so that those which they left in place mean what they meant."""
        sealed: Sealed | None = decided.placeholders if standing is None else standing.placeholders
        return (
            PlaceholderVault()
            if sealed is None
            else await self._keys.open_model(tenant, PLACEHOLDERS, sealed, PlaceholderVault)
        )


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        return _ARGUMENTS.validate_json(content)
    except ValidationError:
        raise NeverRetry("the edit is no JSON object", code="edit.unreadable") from None


def _revised(edited: ApprovalEdited, **fields: Any) -> ApprovalRevised:
    return ApprovalRevised(context=edited.context, by=edited.by, base_digest=edited.base_digest, **fields)


def _of_ruling(edited: ApprovalEdited, ruled: CallDecided, **fields: Any) -> ApprovalRevised:
    """An edit with the verdict on the call that it would make; one that changes nothing is none."""
    said: dict[str, Any] = {
        name: getattr(ruled, name) for name in ("verdict", "reasons", "rules", "monitored", "bundle", "package", "question")
    }
    if ruled.digest == edited.base_digest:
        # Not what the rules answer to the question, so it does not stand beside it: other rules could not answer it otherwise.
        said |= {"verdict": "deny", "reasons": ("edit.changes_nothing",), "rules": (), "package": "", "question": {}}
    return _revised(
        edited,
        **said,
        digest=ruled.digest,
        obligations=ruled.obligations,
        model=ruled.model,
        redacted_request=ruled.redacted_request,
        placeholders=ruled.placeholders,
        **fields,
    )
