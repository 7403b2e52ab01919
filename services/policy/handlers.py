"""Subject → handler, and the shell: open, redact, ask the rules, append the one verdict. See ``verdicts`` for how it fails closed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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
from services.policy.verdicts import append_verdict, askable, fail_closed, ruling

log = structlog.get_logger(__name__)

T = TypeVar("T")


_ARGUMENTS: TypeAdapter[dict[str, Json]] = TypeAdapter(dict[str, Json])


class Policy:
    """Handlers of the policy service."""

    def __init__(self, bus: Bus, evaluator: PolicyEvaluator, redactor: Redactor, keys: KeyRing, kill: KillSwitch) -> None:
        self._bus = bus
        self._evaluator = evaluator
        self._redactor = redactor
        self._keys = keys
        self._kill = kill
        self._approvals = ApprovalRules(bus, evaluator)
        self._vaults = bus.bucket("placeholders")
        # One thread: redaction is pure computing under one interpreter lock; more would only delay the event loop.
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
        return TaskDecided(**ruling(question, await self._evaluator.decide(question)))

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

        redacted, vault, found = await self._redact(tenant, asked.request.key, redact)
        question = askable(
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
        decision = await self._evaluator.decide(question)
        allowed = decision.obligations.get("max_output_tokens")
        if isinstance(allowed, int):
            redacted = redacted.model_copy(update={"max_output_tokens": min(redacted.max_output_tokens, allowed)})
        return self._decided(
            asked,
            "model",
            decision.verdict,
            decision.reasons,
            ruled=(question, decision),
            model=request.model,
            redacted_request=redacted,
            entities=found,
            placeholders=await self._keys.seal_model(tenant, asked.request.key, "placeholders", vault),
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

        redacted, vault, found = await self._redact(tenant, asked.arguments.key, redact)
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
            )
        )
        decision = await self._evaluator.decide(question)
        return self._decided(
            asked,
            "tool",
            decision.verdict,
            decision.reasons,
            ruled=(question, decision),
            tool=asked.tool,
            redacted_arguments=redacted,
            arguments=asked.arguments,
            entities=found,
            placeholders=await self._keys.seal_model(tenant, asked.arguments.key, "placeholders", vault),
        )

    # --- what both share ----------------------------------------------------------------------------------------------

    def _decided(
        self,
        asked: ModelCallRequested | ToolCallRequested,
        kind: str,
        verdict: Verdict,
        reasons: tuple[str, ...],
        *,
        ruled: tuple[Question, Decision] | None = None,
        **fields: Contract | Json,
    ) -> CallDecided:
        return CallDecided.model_validate(
            {
                "context": asked.context,
                "kind": kind,
                "verdict": verdict,
                "reasons": reasons,
                "rules": (),
                "bundle": self._revision(),
                **({} if ruled is None else {**ruling(*ruled), "obligations": ruled[1].obligations}),
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
    ) -> tuple[T, PlaceholderVault, tuple[RedactedEntity, ...]]:
        """Redact with the task family's placeholders, and keep what was added before anyone can see the result."""
        name = f"{tenant}.{key}"
        while True:
            entry = await self._vaults.get(name)
            vault = PlaceholderVault()
            if entry is not None and entry.value is not None:
                sealed = Sealed.model_validate_json(entry.value)
                vault = await self._keys.open_model(tenant, "placeholders", sealed, PlaceholderVault)
            try:
                result, grown, found = await asyncio.get_running_loop().run_in_executor(self._thread, redact, vault)
            except AgentOSError:
                raise
            except Exception as defect:
                # Whatever the recognizers raise, the text has not been redacted, so it goes nowhere.
                log.exception("redactor_failed")
                raise Unavailable("the redactor failed, so nothing may be sent", code="redactor_failed") from defect
            if grown == vault:
                return result, grown, found
            value = (await self._keys.seal_model(tenant, key, "placeholders", grown)).model_dump_json().encode()
            try:
                # ``create`` where there is none: it also takes the place of one that was erased.
                await (self._vaults.create(name, value) if entry is None else self._vaults.update(name, value, entry.revision))
            except Conflict:
                # Another call of the same task added placeholders meanwhile; number ours after those.
                continue
            return result, grown, found
