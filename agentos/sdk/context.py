"""``Context``: the only door between an agent and the world. Every method is an effect, recorded as a durable step."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, overload

from pydantic import BaseModel, ValidationError

from agentos.contracts.model import JsonSchemaFormat, Message, ModelRequest, ModelResponse, ToolSpec, user
from agentos.sdk.errors import (
    ApprovalRejected,
    CallRefused,
    ModelError,
    NonDeterminismError,
    PackError,
    SubtaskError,
    ToolError,
)
from agentos.sdk.journal import Answer, StepKind, canonical

Schema = TypeVar("Schema", bound=BaseModel)
MAX_REQUEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """The task that the agent works on. ``attempt`` is 1 the first time."""

    id: str
    type: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Approval:
    """A person said yes."""

    by: str
    comment: str | None = None


class Port(Protocol):
    """What a context asks of whoever drives the agent."""

    def ask(self, kind: StepKind, request: Any) -> tuple[int, Awaitable[Answer]]:
        """Take the next ordinal now, and answer later."""
        ...

    def log(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write a line of the task's log."""
        ...


class Log:
    """The agent's log: ``ctx.log.info("triaged", severity="high")``. Not a step; a line is kept once, sealed, however often the agent runs."""

    def __init__(self, write: Callable[[str, str, Mapping[str, Any]], None]) -> None:
        self._write = write

    def debug(self, event: str, **fields: Any) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields)


class Context:
    """Handed to an agent. Each effect takes its ordinal when it is *called*, so that ``asyncio.gather`` stays deterministic.

    Every effect may raise: CallRefused when policy, a person or the kill switch says no; the errors named at each method.
    """

    def __init__(self, task: TaskInfo, port: Port) -> None:
        self.task = task
        self.log = Log(port.log)
        self._port = port

    @overload
    def model(
        self, prompt: str | ModelRequest | None = None, *, response_schema: type[Schema], model: str = ..., system: str | None = ...,
        messages: Sequence[Message] = ..., tools: Sequence[ToolSpec] = ..., max_output_tokens: int = ...,
        temperature: float | None = ..., stop: Sequence[str] = ...,
    ) -> Awaitable[Schema]: ...  # fmt: skip

    @overload
    def model(
        self, prompt: str | ModelRequest | None = None, *, response_schema: None = None, model: str = ..., system: str | None = ...,
        messages: Sequence[Message] = ..., tools: Sequence[ToolSpec] = ..., max_output_tokens: int = ...,
        temperature: float | None = ..., stop: Sequence[str] = ...,
    ) -> Awaitable[ModelResponse]: ...  # fmt: skip

    def model(
        self,
        prompt: str | ModelRequest | None = None,
        *,
        response_schema: type[BaseModel] | None = None,
        model: str = "default",
        system: str | None = None,
        messages: Sequence[Message] = (),
        tools: Sequence[ToolSpec] = (),
        max_output_tokens: int = 1024,
        temperature: float | None = None,
        stop: Sequence[str] = (),
    ) -> Awaitable[Any]:
        """Ask a model. With ``response_schema`` the answer comes back as a validated instance of it, else as a ModelResponse.

        ``prompt`` is a text, or a whole ModelRequest (then the other arguments must be left alone). Personal data may stand in
        it: the provider gets placeholders, the answer comes back with the real values. Raises ModelError when the call
        failed or the answer does not fit the schema (retryable: a later attempt asks anew).
        """
        if isinstance(prompt, ModelRequest):
            request = prompt
        else:
            turns = (*messages, *((user(prompt),) if prompt is not None else ()))
            request = ModelRequest(
                model=model, system=system, messages=turns, tools=tuple(tools), max_output_tokens=max_output_tokens,
                temperature=temperature, stop=tuple(stop),
            )  # fmt: skip
        if not request.messages:
            raise ValueError("ctx.model needs a prompt or messages")
        if response_schema is not None:
            wanted = JsonSchemaFormat(name=response_schema.__name__, json_schema=response_schema.model_json_schema())
            request = request.model_copy(update={"response_format": wanted})
        step, answer = self._ask("model", request.model_dump(mode="json"))
        return self._model(step, answer, response_schema)

    async def _model(self, step: int, answer: Awaitable[Answer], schema: type[BaseModel] | None) -> Any:
        response = ModelResponse.model_validate(_value(step, await answer, ModelError))
        if schema is None:
            return response
        try:
            return schema.model_validate_json(_unfenced(response.text))
        except ValidationError as bad:
            where = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or '(root)'}: {e['msg']}" for e in bad.errors(include_input=False)
            )
            detail = f"the model's answer does not fit {schema.__name__}: {where}"
            raise ModelError(detail, code="bad_answer", retryable=True, step=step) from None

    def tool(self, name: str, /, **arguments: Any) -> Awaitable[Any]:
        """Have a tool of the manifest executed; gives its JSON result. Raises ToolError when it failed.

        Policy may hold it for a person's approval: the agent then waits, for days if need be, and holds nothing meanwhile.
        """
        step, answer = self._ask("tool", {"tool": name, "arguments": arguments})
        return self._plain(step, answer, ToolError)

    def approval(self, question: str) -> Awaitable[Approval]:
        """Ask a person. Raises ApprovalRejected when the answer is no, or none came in time, and CallRefused when policy lets nobody be asked.

        Who answers reads placeholders in place of personal data, so refer to people by their role rather than by their name. Of a
        question, 4,000 characters are asked.
        """
        step, answer = self._ask("approval", {"question": question})
        return self._approval(step, answer)

    async def _approval(self, step: int, answer: Awaitable[Answer]) -> Approval:
        given = _value(step, await answer, PackError)
        if given["outcome"] != "approved":
            raise ApprovalRejected(given["outcome"], given.get("comment"), step=step)
        return Approval(by=given["by"], comment=given.get("comment"))

    def sleep(self, duration: timedelta) -> Awaitable[None]:
        """Wait. The due time is recorded: a crash does not start the wait anew, and a long one holds nothing."""
        if duration < timedelta(0):
            raise ValueError("cannot sleep a negative time")
        step, answer = self._ask("sleep", {"ms": round(duration.total_seconds() * 1000)})
        return self._plain(step, answer, PackError)

    def now(self) -> Awaitable[datetime]:
        """The time (UTC), the same again in every replay. ``datetime.now()`` in an agent is non-determinism."""
        step, answer = self._ask("now", None)
        return self._now(step, answer)

    async def _now(self, step: int, answer: Awaitable[Answer]) -> datetime:
        return datetime.fromisoformat(_value(step, await answer, PackError)).astimezone(UTC)

    def random(self) -> Awaitable[float]:
        """A random number in [0, 1), the same again in every replay. Seed ``random.Random`` with it for more."""
        step, answer = self._ask("random", None)
        return self._plain(step, answer, PackError)

    def subtask(self, type: str, input: Any, *, pack: str | None = None) -> Awaitable[Any]:  # noqa: A002 - the field's own names
        """Have another task done, by whichever pack takes ``type``; gives its result. Raises SubtaskError when it did not complete."""
        step, answer = self._ask("subtask", {"type": type, "input": input, "pack": pack})
        return self._plain(step, answer, SubtaskError)

    async def _plain(self, step: int, answer: Awaitable[Answer], error: type[PackError]) -> Any:
        return _value(step, await answer, error)

    def _ask(self, kind: StepKind, request: Any) -> tuple[int, Awaitable[Answer]]:
        if len(canonical(request)) > MAX_REQUEST_BYTES:
            raise ValueError(f"a {kind} request may have {MAX_REQUEST_BYTES} bytes of JSON; send a reference instead")
        return self._port.ask(kind, request)


def refusal(reasons: Sequence[str], code: str = "call_refused") -> Answer:
    """The answer that raises CallRefused in the agent."""
    return Answer(False, {"error": "refused", "code": code, "reasons": list(reasons)})


def failure(code: str, message: str, *, retryable: bool) -> Answer:
    """The answer that raises the effect's own error in the agent."""
    return Answer(False, {"error": "failed", "code": code, "message": message, "retryable": retryable})


def _value(step: int, answer: Answer, error: type[PackError]) -> Any:
    if answer.ok:
        return answer.value
    failed: dict[str, Any] = answer.value
    match failed["error"]:
        case "refused":
            raise CallRefused(tuple(failed["reasons"]), code=failed.get("code"), step=step)
        case "differs":
            raise NonDeterminismError(step, failed["recorded"], failed["asked"])
        case _:
            raise error(failed["message"], code=failed["code"], retryable=failed["retryable"], step=step)


def _unfenced(text: str) -> str:
    """Models like to wrap JSON in a Markdown fence even when asked not to."""
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        inner = body[body.index("\n") + 1 : -3].strip()
        try:
            json.loads(inner)
        except ValueError:
            return body
        return inner
    return body
