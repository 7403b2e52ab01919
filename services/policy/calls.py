"""What is decided on a model call and on a tool call: open, redact for where it goes, look at the history, ask the rules."""

import json
from datetime import UTC, datetime
from typing import Any

from agentos.contracts.base import Contract, Json
from agentos.contracts.errors import NeverRetry
from agentos.contracts.events.call import (
    CallDecided,
    ModelCallRequested,
    Reservation,
    ToolCallRequested,
)
from agentos.contracts.model import ModelRequest, texts
from agentos.keyring import KeyRing
from services.policy.budgets.budgets import Budgets, Demand, Granted, Refusal
from services.policy.destinations import destinations, foreign
from services.policy.evaluator import PolicyEvaluator
from services.policy.history.domain import UNTRUSTED, used
from services.policy.history.record import Record, as_question
from services.policy.questions import Decision, ModelCallQuestion, Question, ToolCallQuestion
from services.policy.reading import Reader, Reading
from services.policy.redaction import read_json, read_request
from services.policy.routing import Routed, RoutingRules
from services.policy.verdicts import askable, ruling

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
    ) -> None:
        self._budgets = budgets
        self._evaluator = evaluator
        self._keys = keys
        self._reader = reader
        self._record = record
        self._routing = routing

    async def on_model(self, tenant: str, call: str, asked: ModelCallRequested, asked_at: datetime) -> CallDecided:
        """May this model call be made, what of it may leave, and is there money for it?"""
        context, family = asked.context, asked.request.key
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
                estimated_input_tokens=sum(len(text) for text in texts(redacted)) // 4,
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
        if decision.verdict != "deny":
            granted = await self._reserve(tenant, call, asked, asked_at, question, redacted, decision)
            if isinstance(granted, Refusal):
                decision = decision.model_copy(
                    update={"verdict": "deny", "reasons": granted.reasons, "rules": granted.rules, "obligations": {}}
                )
            else:
                reservations = granted.reservations
        return _decided(
            asked,
            ruled,
            decision,
            reading,
            reservations=reservations,
            kind="model",
            model=request.model,
            redacted_request=redacted,
        )

    async def _reserve(
        self,
        tenant: str,
        call: str,
        asked: ModelCallRequested,
        asked_at: datetime,
        question: ModelCallQuestion,
        request: ModelRequest,
        decision: Decision,
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
                providers=tuple(map(str, decision.obligations.get("providers") or ())),
            ),
        )

    async def on_tool(self, tenant: str, call: str, asked: ToolCallRequested) -> CallDecided:
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
        return _decided(
            asked,
            question,
            await self._evaluator.decide(question),
            reading,
            kind="tool",
            tool=asked.tool,
            redacted_arguments=reading.redacted.value,
            arguments=asked.arguments,
        )

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
            "placeholders": reading.placeholders,
            **fields,
        }
    )
