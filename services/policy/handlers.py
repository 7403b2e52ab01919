"""Subject → handler, and the shell: open, redact, ask the rules, append the one verdict. See ``verdicts`` for how it fails closed."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from pydantic import TypeAdapter

from agentos.bus import Bus, Route
from agentos.contracts.base import Contract, Json, Sealed, Verdict
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Conflict, Unavailable
from agentos.contracts.events.call import (
    CallDecided,
    ModelCallRequested,
    RedactedEntity,
    ToolCallRequested,
)
from agentos.contracts.events.task import TaskDecided, TaskQueued
from agentos.contracts.model import ModelRequest, texts
from agentos.contracts.packs import PackCard
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.killswitch import KillSwitch
from agentos.sealing import PlaceholderVault
from agentos.telemetry import counter
from services.policy.approvals import ApprovalRules
from services.policy.evaluator import PolicyEvaluator
from services.policy.questions import AdmissionQuestion, Asker, Decision, ModelCallQuestion, Question, ToolCallQuestion
from services.policy.redaction import Redactor
from services.policy.vaults import Vaults
from services.policy.verdicts import append_verdict, askable, fail_closed

log = structlog.get_logger(__name__)

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

SMALL_BYTES = 4_096
"""A sealed request up to this size is redacted at once: about a millisecond, no more than a thread would cost."""

_ARGUMENTS: TypeAdapter[dict[str, Json]] = TypeAdapter(dict[str, Json])


@dataclass(frozen=True, slots=True)
class _Redacted(Generic[T]):
    """What may leave, what was taken out, the sealed placeholders that restore it, and what the rules say to it."""

    value: T
    entities: tuple[RedactedEntity, ...]
    placeholders: Sealed
    decision: Decision


class Policy:
    """Handlers of the policy service."""

    def __init__(self, bus: Bus, evaluator: PolicyEvaluator, redactor: Redactor, keys: KeyRing, kill: KillSwitch) -> None:
        self._bus = bus
        self._evaluator = evaluator
        self._redactor = redactor
        self._keys = keys
        self._kill = kill
        self._approvals = ApprovalRules(bus, evaluator)
        self._vaults = Vaults(bus, keys)
        # One thread: redaction of a large text is pure computing under one interpreter lock; more would only delay the event loop.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="redaction")
        self._decisions = counter("agentos_decisions_total", "Verdicts.", ("kind", "verdict"))

    def routes(self) -> list[Route]:
        """The handler table."""
        return [
            Route("task.queued", self.on_task_queued, concurrency=64),
            Route("call.requested", self.on_call_requested, concurrency=64),
            Route("tool.requested", self.on_tool_requested, concurrency=64),
            *self._approvals.routes(),
        ]

    def close(self) -> None:
        """Release the redaction thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # --- admission ----------------------------------------------------------------------------------------------------

    async def on_task_queued(self, message: Recorded) -> None:
        """May this attempt start?"""
        queued = message.payload(TaskQueued)
        subject = EventSubject.parse(message.subject)
        attempt = int(subject.ordinal or 0)
        blocked = self._kill.blocked(subject.tenant, pack=queued.pack, task=subject.id)
        if blocked is not None:
            decided = self._denied_task("kill_switch", blocked.describe())
        else:
            decided = await fail_closed(
                message, lambda: self._admit(subject, queued, attempt), lambda code: self._denied_task(code)
            )
        self._decisions.labels("task", decided.verdict).inc()
        await append_verdict(self._bus, "task.decided", message, decided, attempt)

    async def _admit(self, subject: EventSubject, queued: TaskQueued, attempt: int) -> TaskDecided:
        registered = await self._bus.bucket("packs").entries()
        types: set[str] = set()
        for entry in registered:
            card = PackCard.model_validate_json(entry.value or b"{}")
            types |= {task_type for agent in card.agents for task_type in agent.task_types}
        question = askable(
            lambda: AdmissionQuestion(
                tenant=subject.tenant,
                task_type=queued.type,
                pack=queued.pack,
                requester=Asker.of(queued.requester),
                attempt=attempt,
                priority=queued.priority,
                # Before the first runner has ever registered a pack nothing is known; such a task waits for one.
                known_task_types=tuple(sorted(types)) or (queued.type,),
                known_packs=tuple(sorted(entry.key for entry in registered)),
            )
        )
        decision = await self._evaluator.decide(question)
        return TaskDecided(verdict=decision.verdict, reasons=decision.reasons, rules=decision.rules, bundle=decision.revision)

    def _denied_task(self, *reasons: str) -> TaskDecided:
        return TaskDecided(verdict="deny", reasons=reasons, rules=(), bundle=self._revision())

    # --- model calls --------------------------------------------------------------------------------------------------

    async def on_call_requested(self, message: Recorded) -> None:
        """May this model call be made, and what of it may leave?"""
        asked = message.payload(ModelCallRequested)
        tenant = message.meta.tenant

        def denied(*reasons: str) -> CallDecided:
            return self._decided(asked, "model", "deny", reasons, model=asked.model)

        blocked = self._kill.blocked(tenant, pack=asked.context.pack, task=asked.context.task)
        if blocked is not None:
            decided = denied("kill_switch", blocked.describe())
        else:
            decided = await fail_closed(message, lambda: self._rule_on_model(tenant, asked), denied)
        self._decisions.labels("model", decided.verdict).inc()
        await append_verdict(self._bus, "call.decided", message, decided)

    async def _rule_on_model(self, tenant: str, asked: ModelCallRequested) -> CallDecided:
        context = asked.context
        request = await self._keys.open_model(tenant, "call.request", asked.request, ModelRequest)

        def redact(vault: PlaceholderVault) -> tuple[ModelRequest, PlaceholderVault, tuple[RedactedEntity, ...]]:
            return self._redactor.redact_request(request, vault)

        def ask(redacted: ModelRequest, found: tuple[RedactedEntity, ...]) -> Question:
            return askable(
                lambda: ModelCallQuestion(
                    tenant=tenant,
                    task=context.task,
                    pack=context.pack,
                    agent=context.agent,
                    model=request.model,
                    estimated_input_tokens=sum(len(text) for text in texts(redacted)) // 4,
                    max_output_tokens=request.max_output_tokens,
                    data_classes=tuple(sorted({one.entity for one in found})),
                    redacted=True,
                    calls_so_far=context.step,
                )
            )

        ruled = await self._redact(tenant, asked.request.key, redact, ask, len(asked.request.ciphertext))
        decision, redacted = ruled.decision, ruled.value
        allowed = decision.obligations.get("max_output_tokens")
        if isinstance(allowed, int):
            redacted = redacted.model_copy(update={"max_output_tokens": min(redacted.max_output_tokens, allowed)})
        return self._decided(
            asked,
            "model",
            decision.verdict,
            decision.reasons,
            decision=decision,
            model=request.model,
            redacted_request=redacted,
            entities=ruled.entities,
            placeholders=ruled.placeholders,
        )

    # --- tool calls ---------------------------------------------------------------------------------------------------

    async def on_tool_requested(self, message: Recorded) -> None:
        """May this tool run, and what does an approver get to see of it?"""
        asked = message.payload(ToolCallRequested)
        tenant = message.meta.tenant

        def denied(*reasons: str) -> CallDecided:
            return self._decided(asked, "tool", "deny", reasons, tool=asked.tool)

        blocked = self._kill.blocked(tenant, pack=asked.context.pack, task=asked.context.task)
        if blocked is not None:
            decided = denied("kill_switch", blocked.describe())
        else:
            decided = await fail_closed(message, lambda: self._rule_on_tool(tenant, asked), denied)
        self._decisions.labels("tool", decided.verdict).inc()
        await append_verdict(self._bus, "tool.decided", message, decided)

    async def _rule_on_tool(self, tenant: str, asked: ToolCallRequested) -> CallDecided:
        context = asked.context
        arguments = _ARGUMENTS.validate_json(await self._keys.open(tenant, "tool.arguments", asked.arguments))

        def redact(vault: PlaceholderVault) -> tuple[Json, PlaceholderVault, tuple[RedactedEntity, ...]]:
            redacted = self._redactor.redact_json(arguments, vault)
            return redacted.value, redacted.vault, redacted.entities

        def ask(_redacted: Json, _found: tuple[RedactedEntity, ...]) -> Question:
            return askable(
                lambda: ToolCallQuestion(
                    tenant=tenant,
                    task=context.task,
                    pack=context.pack,
                    agent=context.agent,
                    tool=asked.tool,
                    declared_tools=asked.declared_tools,
                    effect=asked.effect,
                    untrusted=context.untrusted,
                )
            )

        ruled = await self._redact(tenant, asked.arguments.key, redact, ask, len(asked.arguments.ciphertext))
        decision = ruled.decision
        return self._decided(
            asked,
            "tool",
            decision.verdict,
            decision.reasons,
            decision=decision,
            tool=asked.tool,
            redacted_arguments=ruled.value,
            arguments=asked.arguments,
            entities=ruled.entities,
            placeholders=ruled.placeholders,
        )

    # --- what both share ----------------------------------------------------------------------------------------------

    def _decided(
        self,
        asked: ModelCallRequested | ToolCallRequested,
        kind: str,
        verdict: Verdict,
        reasons: tuple[str, ...],
        *,
        decision: Decision | None = None,
        **fields: Contract | Json,
    ) -> CallDecided:
        return CallDecided.model_validate(
            {
                "context": asked.context,
                "kind": kind,
                "verdict": verdict,
                "reasons": reasons,
                "rules": decision.rules if decision is not None else (),
                "bundle": decision.revision if decision is not None else self._revision(),
                "obligations": decision.obligations if decision is not None else {},
                "digest": asked.digest,
                **fields,
            }
        )

    def _revision(self) -> str:
        try:
            return self._evaluator.revision
        except Unavailable:
            return "unavailable"

    async def _redact(
        self,
        tenant: str,
        key: str,
        redact: Callable[[PlaceholderVault], tuple[T, PlaceholderVault, tuple[RedactedEntity, ...]]],
        rule: Callable[[T, tuple[RedactedEntity, ...]], Question],
        size: int,
    ) -> "_Redacted[T]":
        """Redact with the task family's placeholders, ask the rules, and keep what was added before anyone can see the result.

        The broker is waited for beside the computing: while the vault is read, the text is redacted with the vault as it was last
        seen, which counts only if it still stands so; while a grown vault is written, the rules are asked.
        """
        while True:
            supposed = self._vaults.supposed(tenant, key)
            standing, (result, grown, found) = await _beside(
                self._vaults.read(tenant, key, supposed), self._compute(redact, supposed.vault, size)
            )
            if standing is not supposed:
                result, grown, found = await self._compute(redact, standing.vault, size)
            try:
                (_, sealed), decision = await _beside(
                    self._vaults.keep(tenant, key, standing, grown), self._evaluator.decide(rule(result, found))
                )
            except Conflict:
                # Another call of the same task added placeholders meanwhile; number ours after those.
                continue
            return _Redacted(result, found, sealed, decision)

    async def _compute(
        self,
        redact: Callable[[PlaceholderVault], tuple[T, PlaceholderVault, tuple[RedactedEntity, ...]]],
        vault: PlaceholderVault,
        size: int,
    ) -> tuple[T, PlaceholderVault, tuple[RedactedEntity, ...]]:
        try:
            if size <= SMALL_BYTES:
                return redact(vault)
            return await asyncio.get_running_loop().run_in_executor(self._thread, redact, vault)
        except AgentOSError:
            raise
        except Exception as defect:
            # Whatever the recognizers raise, the text has not been redacted, so it goes nowhere.
            log.exception("redactor_failed")
            raise Unavailable("the redactor failed, so nothing may be sent", code="redactor_failed") from defect


async def _beside(waiting: Coroutine[Any, Any, A], computing: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Both results; the request that ``waiting`` sends has left when the computing begins. Raises when either does."""
    sent = asyncio.ensure_future(waiting)
    try:
        # nats-py writes in a task of its own, which has its turn after ours.
        for _ in range(2):
            await asyncio.sleep(0)
        computed = await computing
    except BaseException:
        computing.close()
        sent.cancel()
        await asyncio.gather(sent, return_exceptions=True)
        raise
    return await sent, computed
