"""What is decided on a model call and on a tool call: open, redact for where it goes, look at the history, ask the rules."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from agentos.agents import AgentTable
from agentos.contracts.base import Contract, Json, Principal
from agentos.contracts.budgets import Budget
from agentos.contracts.errors import NeverRetry
from agentos.contracts.events.call import (
    CallContext,
    CallDecided,
    ModelCallRequested,
    Reservation,
    ToolCallRequested,
)
from agentos.contracts.model import ModelRequest, estimated_input_tokens
from agentos.keyring import KeyRing
from agentos.virtualkeys import VirtualKeyTable
from services.policy.budgets.budgets import Budgets, Demand, Granted, Owed, Refusal
from services.policy.destinations import destinations, foreign
from services.policy.evaluator import PolicyEvaluator
from services.policy.history.domain import UNTRUSTED, used
from services.policy.history.record import Record, as_question
from services.policy.questions import Decision, ModelCallQuestion, Question, ToolCallQuestion
from services.policy.reading import Reader, Reading
from services.policy.redaction import read_json, read_request
from services.policy.routing import Routed, RoutingRules
from services.policy.verdicts import askable, ruling


@dataclass(frozen=True, slots=True)
class Ruled:
    """The verdict on a call, and what soft budgets have to be told once it stands."""

    decided: CallDecided
    owed: tuple[Owed, ...] = ()


_NO_PROVIDER = "provider.none_permitted"


class CallRules:
    """Decides on calls. Every method raises Unavailable while an answer may still come, and NeverRetry when none will."""

    def __init__(
        self,
        evaluator: PolicyEvaluator,
        keys: KeyRing,
        reader: Reader,
        record: Record,
        budgets: Budgets,
        routing: RoutingRules,
        virtual_keys: VirtualKeyTable,
        agents: AgentTable,
    ) -> None:
        self._budgets = budgets
        self._evaluator = evaluator
        self._keys = keys
        self._reader = reader
        self._record = record
        self._routing = routing
        self._virtual_keys = virtual_keys
        self._agents = agents

    async def on_model(self, tenant: str, call: str, asked: ModelCallRequested, asked_at: datetime) -> Ruled:
        """May this model call be made, what of it may leave, and is there money for it?"""
        context, family = asked.context, asked.request.key
        own = await self._own_budgets(tenant, context, asked.model)
        request = await self._keys.open_model(tenant, "call.request", asked.request, ModelRequest)
        reading = await self._reader.read(tenant, family, context, "model", read_request(request), model=request.model)
        history, redacted = reading.history, reading.redacted.value
        question = askable(
            lambda: ModelCallQuestion(
                tenant=tenant,
                task=context.task,
                pack=context.pack,
                agent=context.agent,
                model=request.model,
                estimated_input_tokens=estimated_input_tokens(redacted),
                max_output_tokens=request.max_output_tokens,
                data_classes=_classes(reading),
                redacted=True,
                calls_so_far=context.step,
                history=as_question(history, ()),
            )
        )
        routed = await self._routing.providers(
            tenant, context, question.data_classes, untrusted=context.untrusted or UNTRUSTED in history.labels
        )
        ruled, decision = _routed(question, _within(await self._evaluator.decide(question), reading.providers), routed)
        allowed = decision.obligations.get("max_output_tokens")
        if isinstance(allowed, int):
            redacted = redacted.model_copy(update={"max_output_tokens": min(redacted.max_output_tokens, allowed)})
        reservations: tuple[Reservation, ...] = ()
        owed: tuple[Owed, ...] = ()
        if decision.verdict != "deny":
            granted = await self._reserve(tenant, call, asked, asked_at, question, redacted, decision, own)
            if isinstance(granted, Refusal):
                decision = decision.model_copy(
                    update={"verdict": "deny", "reasons": granted.reasons, "rules": granted.rules, "obligations": {}}
                )
            else:
                reservations, owed = granted.reservations, granted.owed
                decision = _within_money(decision, granted.most_usd)
        if context.alone and decision.verdict == "hold":
            # An approver may edit it: what is redacted then is numbered on from here.
            await self._reader.keep(tenant, family, reading)
        decided = _decided(
            asked,
            ruled,
            decision,
            reading,
            reservations=reservations,
            kind="model",
            model=request.model,
            redacted_request=redacted,
            # What is looked at first is seen by nobody as it comes in.
            stream=asked.stream and decision.obligations.get("inspect") != "before",
        )
        return Ruled(decided, owed)

    async def _reserve(
        self,
        tenant: str,
        call: str,
        asked: ModelCallRequested,
        asked_at: datetime,
        question: ModelCallQuestion,
        request: ModelRequest,
        decision: Decision,
        own: tuple[Budget, ...],
    ) -> Granted | Refusal:
        """Hold back the worst case of what the rules allow."""
        context = asked.context
        return await self._budgets.reserve(
            call,
            tenant,
            Demand(
                asked_at=asked_at,
                task=context.task,
                task_type=context.task_type,
                pack=context.pack,
                agent=context.agent,
                model=request.model,
                input_tokens=question.estimated_input_tokens,
                max_output_tokens=request.max_output_tokens,
                requester=None if context.api_key is None else Principal(kind="api_key", id=context.api_key),
                user=context.user,
                providers=tuple(map(str, decision.obligations.get("providers") or ())),
                own=own,
            ),
        )

    async def _own_budgets(self, tenant: str, context: CallContext, model: str) -> tuple[Budget, ...]:
        """The budgets of the virtual key that the call came in with. Raises NeverRetry when the key does not cover the call (any more)."""
        if context.api_key is None:
            return ()
        key = await self._virtual_keys.find(context.api_key)
        if key is None or key.tenant != tenant or key.pack != context.pack:
            raise NeverRetry("the call came in with a virtual key that does not exist", code="key.unknown")
        if key.revoked_at is not None:
            raise NeverRetry("the virtual key was revoked", code="key.revoked")
        if not key.holds(datetime.now(UTC)):
            raise NeverRetry("the virtual key has expired", code="key.expired")
        if not key.permits(model):
            raise NeverRetry("the virtual key does not cover this model", code="key.model")
        if (state := await self._agents.find(tenant, context.pack, context.agent)) != "active":
            raise NeverRetry(f"the agent {context.pack}/{context.agent} is {state}", code=f"agent.{state}")
        return key.budgets

    async def on_tool(self, tenant: str, call: str, asked: ToolCallRequested) -> Ruled:
        """May this tool run, and what does an approver get to see of it?"""
        context, family = asked.context, asked.arguments.key
        arguments = await self._arguments(tenant, asked)
        read = read_json(arguments)
        use = used(call, asked.tool, asked.effect, datetime.now(UTC))
        reading = await self._reader.read(tenant, family, context, "tool", read, use)
        history = reading.history
        found = [
            (finding.stem, segment.text[finding.start : finding.end])
            for segment, analysis in zip(read.segments, reading.analyses, strict=True)
            for finding in analysis.findings
        ]
        places = destinations(arguments, found, asked.destinations)
        trusted = await self._record.trusted_texts(tenant, family) if places and history.trusted_input else ()
        question = askable(
            lambda: ToolCallQuestion(
                tenant=tenant,
                task=context.task,
                pack=context.pack,
                agent=context.agent,
                tool=asked.tool,
                declared_tools=asked.declared_tools,
                effect=asked.effect,
                untrusted=context.untrusted,
                data_classes=_classes(reading),
                destinations=len(places),
                foreign=foreign(places, trusted),
                history=as_question(history, asked.task_tools),
            )
        )
        decided = _decided(
            asked,
            question,
            await self._evaluator.decide(question),
            reading,
            kind="tool",
            tool=asked.tool,
            redacted_arguments=reading.redacted.value,
            arguments=asked.arguments,
        )
        return Ruled(decided)

    async def _arguments(self, tenant: str, asked: ToolCallRequested) -> dict[str, Json]:
        arguments = json.loads(await self._keys.open(tenant, "tool.arguments", asked.arguments))
        if not isinstance(arguments, dict):
            raise NeverRetry("the arguments of a tool are a JSON object", code="bad_arguments")
        return {str(name): value for name, value in arguments.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def _classes(reading: Reading[Any]) -> tuple[str, ...]:
    """The kinds of what was found, and of what is known from earlier; ``SECRET`` for any kind of secret."""
    kinds = {one.entity for one in reading.redacted.entities}
    for analysis in reading.analyses:
        for finding in analysis.findings:
            kinds |= {finding.entity, "SECRET"} if finding.stem == "SECRET" else {finding.entity}
    return tuple(sorted(kinds - {"LITERAL", "NUMBER"}))


def _within(decision: Decision, providers: tuple[str, ...]) -> Decision:
    """The decision with the providers that the redaction was made for: what is fit for a local model goes to no other."""
    if not providers or decision.verdict == "deny":
        return decision
    permitted: list[str] = decision.obligations.get("providers") or []
    both = sorted(set(providers) & set(permitted)) if permitted else sorted(providers)
    if not both:
        return decision.model_copy(update={"verdict": "deny", "reasons": (_NO_PROVIDER,), "obligations": {}})
    return decision.model_copy(update={"obligations": {**decision.obligations, "providers": both}})


def _within_money(decision: Decision, most: Decimal | None) -> Decision:
    """The decision with what the budgets hold back for the call: the router cuts an answer off that comes to more."""
    ruled = decision.obligations.get("max_cost_usd")
    if most is None:
        return decision
    try:
        least = most if ruled is None else min(most, Decimal(str(ruled)))
    except InvalidOperation:
        # What cannot be read allows nothing: the router takes it so.
        return decision
    return decision.model_copy(update={"obligations": {**decision.obligations, "max_cost_usd": f"{least.normalize():f}"}})


def _routed(question: Question, decision: Decision, routed: Routed | None) -> tuple[Question, Decision]:
    """The decision with the providers that may serve it; where there is none, the denial, on the question that it answers."""
    if routed is None or decision.verdict == "deny":
        return question, decision
    if routed.decision.verdict != "allow":
        reasons = tuple(sorted({_NO_PROVIDER, *routed.decision.reasons}))
        return routed.question, routed.decision.model_copy(update={"reasons": reasons})
    monitored = tuple(sorted({*decision.monitored, *routed.decision.monitored}))
    return question, _within(decision.model_copy(update={"monitored": monitored}), routed.permitted)


def _decided(
    asked: ModelCallRequested | ToolCallRequested,
    question: Question,
    decision: Decision,
    reading: Reading[Any],
    **fields: Contract | Json | tuple[Any, ...],
) -> CallDecided:
    return CallDecided.model_validate(
        {
            **ruling(question, decision),
            "context": asked.context,
            "obligations": decision.obligations,
            "digest": asked.digest,
            "labels": tuple(sorted(reading.history.labels)),
            "entities": reading.redacted.entities,
            "placeholders": reading.redacted.placeholders,
            **fields,
        }
    )
