"""The effects of one attempt: look up what is recorded, write what is not, wait for the answer, open it for the pack."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from agentos.bus import Bus
from agentos.contracts.base import Contract, Principal, Sealed
from agentos.contracts.commands import SubmitTask, WorkItem
from agentos.contracts.envelope import Recorded, digest
from agentos.contracts.errors import Conflict, NeverRetry
from agentos.contracts.events.approval import ApprovalResolved
from agentos.contracts.events.call import (
    CallContext,
    CallDecided,
    Inspected,
    ModelCallRequested,
    ModelCallSettled,
    ToolCallRequested,
    ToolCallSettled,
)
from agentos.contracts.events.governance import CheckpointDecided, CheckpointRequested
from agentos.contracts.events.task import StepRecorded, TaskSettled, TaskSubmitted
from agentos.contracts.ids import call_id, derived_id, new_id, step_key
from agentos.contracts.model import AnswerPart, ModelRequest, ModelResponse, TextPart, ThinkingPart, ToolCallPart
from agentos.contracts.subjects import EventSubject
from agentos.keyring import KeyRing
from agentos.packhost.hiding import Hider
from agentos.packhost.process import EffectFrame
from agentos.sdk.context import failure, refusal
from agentos.sdk.journal import Answer, Step, StepKind, canonical, check_same, epoch_of, step_digest
from agentos.sdk.manifest import Manifest
from agentos.sealing import PlaceholderVault, SealBroken, restore, restore_json
from services.runner.answers import Answers
from services.runner.domain import TaskView, answer_of_failure

REQUEST, RESPONSE, ARGUMENTS, TOOL_RESULT, INPUT, RESULT, PLACEHOLDERS = (
    "call.request", "call.response", "tool.arguments", "tool.result", "task.input", "task.result", "placeholders",
)  # fmt: skip
"""What sealed values are for; a value sealed for one purpose opens for no other."""
QUESTION, COMMENT = "checkpoint.question", "approval.comment"
_LONGEST_QUESTION = 4_000
_SUBTASK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Given:
    """An answer and its place: ``seq`` in the stream, or for the end of a sleep 0 and the due time."""

    answer: Answer
    seq: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Note:
    """How an effect stands. ``looking``: perhaps recorded; ``short``: an answer is on its way; ``long``: only time or a person helps."""

    state: Literal["short", "long"]
    waiting_for: Literal["call", "tool", "approval", "timer", "subtask"] = "call"
    on: str = ""


Notify = Callable[[int, Note], None]


class Steps:
    """One attempt's effects. ``known`` grows with every placeholder map that comes by."""

    def __init__(
        self, bus: Bus, answers: Answers, cause: Recorded, item: WorkItem, view: TaskView, manifest: Manifest, keys: KeyRing, *,
        replaying: bool, suspend_after: timedelta,
    ) -> None:  # fmt: skip
        if view.submitted is None:
            raise ValueError("a task that was not submitted has no steps")
        self._bus, self._answers, self._cause, self._item, self._view = bus, answers, cause, item, view
        self._submitted = view.submitted
        self._manifest = manifest
        self._keys = keys
        self._key_name = view.submitted.input.key
        self._suspend_after = suspend_after
        self.replaying = replaying
        self.known: dict[str, str] = {}
        self._uninspected: dict[str, asyncio.Future[Recorded]] = {}

    @property
    def hide(self) -> Hider:
        """Takes out of a text what is known to be personal data so far."""
        return Hider(dict(self.known))

    def close(self) -> None:
        """Stop waiting for what comes after the attempt."""
        for inspected in self._uninspected.values():
            inspected.cancel()

    async def open_input(self) -> Any:
        """The task's input in clear. Raises SealBroken."""
        return json.loads(await self._open(INPUT, self._submitted.input))

    async def seal_result(self, result: Any) -> tuple[Sealed, str]:
        """The sealed result and its digest."""
        plain = canonical(result)
        return await self.seal(RESULT, plain), digest(plain)

    async def seal(self, purpose: str, plaintext: bytes) -> Sealed:
        """Sealed with the key of the task's family."""
        return await self._keys.seal(self._item.tenant, self._key_name, purpose, plaintext)

    async def _open(self, purpose: str, sealed: Sealed) -> bytes:
        if sealed.key != self._key_name:
            raise SealBroken(f"the value was sealed with the key of another task than {self._key_name}")
        return await self._keys.open(self._item.tenant, purpose, sealed)

    async def perform(self, frame: EffectFrame, notify: Notify) -> Given:
        """Make the effect, or find it made. Raises NonDeterminismError when something else is recorded at its place."""
        step = Step(frame.step, frame.kind, step_digest(frame.kind, frame.request))
        epoch = epoch_of(frame.step, self._view.rerun_points)
        found = await self._look_up(step, epoch) if self.replaying else None
        try:
            match frame.kind:
                case "model" | "tool":
                    return await self._call(frame.kind, step, epoch, frame.request, found, notify)
                case "approval":
                    return await self._approval(step, epoch, frame.request, found, notify)
                case "now":
                    return _plain(await self._record(step, epoch, datetime.now(UTC).isoformat(), found))
                case "random":
                    return _plain(await self._record(step, epoch, random.random(), found))  # noqa: S311 - a pack's dice, no secret
                case "sleep":
                    return await self._sleep(step, epoch, frame.request, found, notify)
                case "subtask":
                    return await self._subtask(step, epoch, frame.request, found, notify)
        except (ValidationError, KeyError, TypeError, ValueError) as bad:
            # The request came from the pack's process and is not what the SDK sends. Its text may quote the request: name the type only.
            answer = failure(
                "bad_request", f"the request of step {frame.step} is malformed ({type(bad).__name__})", retryable=False
            )
            return Given(answer, self._cause.seq, self._cause.meta.time)

    # --- records ------------------------------------------------------------------------------------------------------
    def _subject(self, aggregate: str, id_: str, fact: str, ordinal: str | None = None) -> str:
        return str(EventSubject(self._item.tenant, aggregate, id_, fact, ordinal))

    async def _look_up(self, step: Step, epoch: int) -> Recorded | None:
        cid = call_id(self._item.task, step.ordinal, epoch)
        places: dict[str, str] = {
            "model": self._subject("call", cid, "requested"),
            "tool": self._subject("tool", cid, "requested"),
            "approval": self._subject("checkpoint", cid, "requested"),
            "step": self._subject("step", self._item.task, "recorded", step_key(step.ordinal, epoch)),
        }
        own = step.kind if step.kind in places else "step"
        found = await self._bus.get(places.pop(own))
        if found is None:
            others = await asyncio.gather(*(self._bus.get(subject) for subject in places.values()))
            found = next((other for other in others if other is not None), None)
        if found is not None:
            check_same(_step_of(found, step.ordinal), step)
        return found

    async def _append(
        self, step: Step, channel: str, id_: str, payload: Contract, ordinal: str | None = None
    ) -> Recorded | None:
        """Write the step's fact. Another one there already (a second runner was faster) is given back if it is the same step."""
        try:
            await self._bus.append(channel, id_, payload, tenant=self._item.tenant, ordinal=ordinal, cause=self._cause)
        except Conflict as conflict:
            standing = conflict.fields.get("existing")
            if not isinstance(standing, Recorded):
                raise
            check_same(_step_of(standing, step.ordinal), step)
            return standing
        return None

    def _context(self, step: int) -> CallContext:
        return CallContext(
            task=self._item.task, attempt=self._item.attempt, step=step, task_type=self._submitted.type, pack=self._item.pack,
            agent=self._item.agent, untrusted=self._submitted.untrusted, instance=self._bus.instance,
            uninspected=tuple(name for name, inspected in self._uninspected.items() if not inspected.done()),
        )  # fmt: skip

    @asynccontextmanager
    async def _awaiting(self, subject: str) -> AsyncGenerator[asyncio.Future[Recorded]]:
        future = self._answers.wait(subject)
        try:
            if self.replaying and (found := await self._bus.get(subject)) is not None and not future.done():
                future.set_result(found)
            yield future
        finally:
            future.cancel()

    # --- model and tool calls ---------------------------------------------------------------------------------------------
    async def _call(
        self, kind: Literal["model", "tool"], step: Step, epoch: int, request: Any, found: Recorded | None, notify: Notify
    ) -> Given:
        aggregate = "call" if kind == "model" else "tool"
        cid = call_id(self._item.task, step.ordinal, epoch)
        requested = await (self._model_request(step, request) if kind == "model" else self._tool_request(step, request))
        async with self._awaiting(self._subject(aggregate, cid, "settled")) as settled:
            if found is None:
                await self._append(step, f"{aggregate}.requested", cid, requested)
            if not settled.done():
                await self._until_settled(step, aggregate, cid, settled, notify)
            event = settled.result()
        if kind == "model":
            came = event.payload(ModelCallSettled)
            withheld = await self._inspected(aggregate, cid, came.response, first=came.inspect_first)
            wants_json = ModelRequest.model_validate(request).response_format is not None
            answer = withheld or await self._model_answer(came, wants_json=wants_json)
        else:
            ended = event.payload(ToolCallSettled)
            withheld = await self._inspected(aggregate, cid, ended.result, first=ended.inspect_first)
            answer = withheld or await self._tool_answer(ended)
        return Given(answer, event.seq, event.meta.time)

    async def _inspected(self, aggregate: str, cid: str, content: Sealed | None, *, first: bool) -> Answer | None:
        """Keep in mind that the agent sees this before policy has looked at it, or wait until it has; the refusal if it says no."""
        name = f"{aggregate}.{cid}"
        if content is None or name in self._uninspected:
            return None
        subject = self._subject(aggregate, cid, "inspected")
        inspected = self._uninspected[name] = self._answers.wait(subject)
        if (first or self.replaying) and (found := await self._bus.get(subject)) is not None and not inspected.done():
            inspected.set_result(found)
        if not first:
            return None
        seen = (await asyncio.shield(inspected)).payload(Inspected)
        if seen.verdict == "allow":
            return None
        return failure("answer_withheld", f"policy withholds the answer: {', '.join(seen.reasons)}", retryable=False)

    async def _until_settled(
        self, step: Step, aggregate: str, cid: str, settled: asyncio.Future[Recorded], notify: Notify
    ) -> None:
        notify(step.ordinal, Note("short"))
        async with self._awaiting(self._subject(aggregate, cid, "decided")) as decided:
            await asyncio.wait({settled, decided}, return_when=asyncio.FIRST_COMPLETED)
            if settled.done() or decided.result().payload(CallDecided).verdict != "hold":
                await settled
                return
        async with self._awaiting(self._subject("approval", cid, "resolved")) as resolved:
            if not resolved.done():
                notify(step.ordinal, Note("long", "call" if aggregate == "call" else "tool", cid))
            await asyncio.wait({settled, resolved}, return_when=asyncio.FIRST_COMPLETED)
        notify(step.ordinal, Note("short"))
        await settled

    async def _model_request(self, step: Step, request: Any) -> ModelCallRequested:
        wanted = ModelRequest.model_validate(request)
        return ModelCallRequested(
            context=self._context(step.ordinal), model=wanted.model, request=await self.seal(REQUEST, wanted.model_dump_json().encode()),
            digest=step.digest, max_output_tokens=wanted.max_output_tokens,
        )  # fmt: skip

    async def _tool_request(self, step: Step, request: Any) -> ToolCallRequested:
        tool = self._manifest.tool(request["tool"])
        return ToolCallRequested(
            context=self._context(step.ordinal), tool=str(request["tool"]),
            declared_tools=tuple(declared.name for declared in self._manifest.tools),
            task_tools=self._manifest.tools_of(self._item.agent),
            destinations=tool.destinations if tool is not None else (),
            # What is not declared is asked for all the same, at its worst: the policy's refusal is the record of it.
            effect=tool.effect if tool is not None else "egress",
            arguments=await self.seal(ARGUMENTS, canonical(request["arguments"])), digest=step.digest,
        )  # fmt: skip

    async def _model_answer(self, settled: ModelCallSettled, *, wants_json: bool) -> Answer:
        vault = PlaceholderVault()
        if settled.placeholders is not None:
            vault = PlaceholderVault.model_validate_json(await self._open(PLACEHOLDERS, settled.placeholders))
            self.known |= {value: f"<{name}>" for name, value in vault.values.items() if not name.startswith("NUMBER_")}
        if (failed := answer_of_failure(settled)) is not None:
            return failed
        if settled.response is None:
            return failure("no_response", "the call is settled as completed but holds no response", retryable=True)
        response = ModelResponse.model_validate_json(await self._open(RESPONSE, settled.response))
        parts = tuple(_restored(part, vault, wants_json=wants_json) for part in response.parts)
        return Answer(True, response.model_copy(update={"parts": parts}).model_dump(mode="json"))

    async def _tool_answer(self, settled: ToolCallSettled) -> Answer:
        if (failed := answer_of_failure(settled)) is not None:
            return failed
        if settled.result is None:
            return Answer(True, None)
        return Answer(True, json.loads(await self._open(TOOL_RESULT, settled.result)))

    # --- approval, sleep, subtask -----------------------------------------------------------------------------------------
    async def _approval(self, step: Step, epoch: int, request: Any, found: Recorded | None, notify: Notify) -> Given:
        cid = call_id(self._item.task, step.ordinal, epoch)
        question = str(request["question"])[:_LONGEST_QUESTION].encode("utf-8", "replace")
        asked = CheckpointRequested(
            context=self._context(step.ordinal), question=await self.seal(QUESTION, question), digest=step.digest
        )
        async with self._awaiting(self._subject("approval", cid, "resolved")) as resolved:
            async with self._awaiting(self._subject("checkpoint", cid, "decided")) as decided:
                if found is None:
                    await self._append(step, "checkpoint.requested", cid, asked)
                if not resolved.done():
                    notify(step.ordinal, Note("short"))
                await asyncio.wait({resolved, decided}, return_when=asyncio.FIRST_COMPLETED)
                if decided.done() and (ruling := decided.result().payload(CheckpointDecided)).verdict == "deny":
                    return Given(refusal(ruling.reasons), decided.result().seq, decided.result().meta.time)
            if not resolved.done():
                notify(step.ordinal, Note("long", "approval", cid))
            event = await resolved
        answer = event.payload(ApprovalResolved)
        comment = answer.reason if answer.comment is None else (await self._open(COMMENT, answer.comment)).decode()
        value = {"outcome": answer.outcome, "by": answer.by.id, "comment": comment}
        return Given(Answer(True, value), event.seq, event.meta.time)

    async def _record(self, step: Step, epoch: int, value: Any, found: Recorded | None) -> StepRecorded:
        if found is not None:
            return found.payload(StepRecorded)
        kind = step.kind
        if kind in ("model", "tool", "approval"):
            raise ValueError(f"{kind} is recorded by its call")
        recorded = StepRecorded(step=step.ordinal, epoch=epoch, kind=kind, digest=step.digest, value=value)
        standing = await self._append(step, "step.recorded", self._item.task, recorded, step_key(step.ordinal, epoch))
        return standing.payload(StepRecorded) if standing is not None else recorded

    async def _sleep(self, step: Step, epoch: int, request: Any, found: Recorded | None, notify: Notify) -> Given:
        asked = datetime.now(UTC) + timedelta(milliseconds=int(request["ms"]))
        recorded = await self._record(step, epoch, asked.isoformat(), found)
        due = datetime.fromisoformat(str(recorded.value))
        rest = due - datetime.now(UTC)
        if rest > self._suspend_after:
            notify(step.ordinal, Note("long", "timer", step_key(step.ordinal, epoch)))
        elif rest > timedelta(0):
            notify(step.ordinal, Note("short"))
        # In slices: a timer of months is too long for an event loop.
        while (rest := due - datetime.now(UTC)) > timedelta(0):
            await asyncio.sleep(min(rest.total_seconds(), 3_600))
        return Given(Answer(True, None), 0, due)

    async def _subtask(self, step: Step, epoch: int, request: Any, found: Recorded | None, notify: Notify) -> Given:
        subtask = derived_id("subtask", self._item.task, step_key(step.ordinal, epoch))
        await self._record(step, epoch, {"task": subtask}, found)
        events = await self._bus.load(self._item.tenant, "task", subtask)
        if not events:
            await self._bus.send(
                "orchestrator.spawn",
                (subtask,),
                await self._spawn(request),
                tenant=self._item.tenant,
                cause=self._cause,
                correlation_id=subtask,
            )
        while not (settled := [event for event in events if isinstance(event.data, TaskSettled)]):
            notify(step.ordinal, Note("long", "subtask", subtask))
            await asyncio.sleep(_SUBTASK_POLL_S)
            events = await self._bus.load(self._item.tenant, "task", subtask)
        end = settled[-1]
        return Given(await self._subtask_answer(end.payload(TaskSettled)), end.seq, end.meta.time)

    async def _spawn(self, request: Any) -> SubmitTask:
        plain = canonical(request["input"])
        task = TaskSubmitted(
            type=request["type"],
            # The whole family shares one data key, so that erasing the task erases what it spread.
            input=await self.seal(INPUT, plain),
            input_digest=digest(plain),
            requester=Principal(kind="pack", id=self._item.pack),
            priority=self._submitted.priority,
            deadline=self._submitted.deadline,
            parent=self._item.task,
            pack=request.get("pack"),
            untrusted=self._submitted.untrusted,
        )
        return SubmitTask(request=new_id(), tenant=self._item.tenant, task=task)

    async def _subtask_answer(self, settled: TaskSettled) -> Answer:
        if settled.outcome != "completed":
            detail = settled.fault.message if settled.fault is not None else "; ".join(settled.reasons)
            return failure(f"subtask_{settled.outcome}", f"the subtask was {settled.outcome}: {detail}", retryable=False)
        if settled.result is None:
            return Answer(True, None)
        return Answer(True, json.loads(await self._open(RESULT, settled.result)))


def _plain(recorded: StepRecorded) -> Given:
    return Given(Answer(True, recorded.value), 0, datetime.now(UTC))


def _step_of(recorded: Recorded, ordinal: int) -> Step:
    kind: StepKind
    match recorded.data:
        case ModelCallRequested(digest=known):
            kind = "model"
        case ToolCallRequested(digest=known):
            kind = "tool"
        case CheckpointRequested(digest=known):
            kind = "approval"
        case StepRecorded(kind=kind, digest=known):
            pass
        case other:
            raise NeverRetry(f"{recorded.subject} carries {type(other).__name__}, which is no step", code="bad_payload")
    return Step(ordinal, kind, known)


def _restored(part: AnswerPart, vault: PlaceholderVault, *, wants_json: bool) -> AnswerPart:
    if isinstance(part, ThinkingPart):
        return part.model_copy(update={"text": restore(part.text, vault)})
    if isinstance(part, ToolCallPart):
        return part.model_copy(update={"arguments": restore_json(part.arguments, vault)})
    if wants_json:
        # A value with a quote or a backslash put into JSON text would break it: restore within the parsed value.
        try:
            return TextPart(text=json.dumps(restore_json(json.loads(part.text), vault), ensure_ascii=False))
        except ValueError:
            return TextPart(text=restore(part.text, vault))
    return TextPart(text=restore(part.text, vault))
