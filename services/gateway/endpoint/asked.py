"""What a client asked for, in neutral terms; and what the dialects' readers have in common."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from agentos.contracts.base import Json
from agentos.contracts.model import ImagePart, ModelRequest, ToolChoice, ToolResultPart, ToolSpec, texts
from services.gateway.endpoint.errors import EndpointError, from_validation, refused_field

M = TypeVar("M", bound=BaseModel)

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_DATA_URL = re.compile(r"data:(?P<type>[a-z/+.-]{1,100});base64,(?P<data>.*)", re.DOTALL)
EMPTY_SCHEMA: dict[str, Json] = {"type": "object", "properties": {}}


class Strict(BaseModel):
    """The base of what is read from clients: a field that is not known is refused.

    A null asks for nothing, known or not: SDKs send back what they got with every field that they know of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if isinstance(value, dict) and None in (found := cast("dict[str, Any]", value)).values():
            return {name: item for name, item in found.items() if item is not None or name in cls.model_fields}
        return value  # pyright: ignore[reportUnknownVariableType] - JSON


@dataclass(frozen=True, slots=True)
class Asked:
    """``user`` is whom the client named as its end user, in clear: it goes no further than this process. ``echo`` is what the
    dialect's answer repeats of the request, or needs to be written. ``notes`` say what of it no neutral request carries.
    ``documents``: whether it holds any, or results of a search, which a client marks as such."""

    request: ModelRequest
    stream: bool = False
    user: str | None = None
    echo: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()
    documents: bool = False

    def of_model(self, model: str) -> "Asked":
        """The same, of the model by the name that it has here."""
        if model == self.request.model:
            return self
        return replace(self, request=self.request.model_copy(update={"model": model}))

    def estimated_tokens(self) -> int:
        """Of the input: a stated estimate, not a tokenizer."""
        described = [f"{tool.name} {tool.description} {json.dumps(tool.parameters)}" for tool in self.request.tools]
        return sum(-(-len(text.encode("utf-8", "surrogatepass")) // 4) for text in [*texts(self.request), *described])

    @property
    def reads_others(self) -> bool:
        """Whether something stands in the request that a tool has answered, or that was found somewhere."""
        return self.documents or any(
            isinstance(part, ToolResultPart) for message in self.request.messages for part in message.parts
        )


@dataclass(frozen=True, slots=True)
class Defaults:
    """What stands in for what a client leaves out."""

    max_output_tokens: int = 8_192


def read(kind: type[M], body: bytes) -> M:
    """The body as ``kind``. Raises EndpointError naming the first field that does not fit."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as bad:
        raise from_validation(bad) from None


def neutral(**fields: Any) -> ModelRequest:
    """The neutral request. Raises EndpointError where it says less than the client's own format."""
    try:
        return ModelRequest(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as bad:
        raise from_validation(bad) from None


def uncarried(given: BaseModel, allowed: Mapping[str, tuple[Callable[[Any], bool], str]]) -> None:
    """Refuse every field that asks for what no neutral request says. ``allowed``: field → when it is harmless, and what to do else."""
    for name in given.model_fields_set & allowed.keys():
        value = getattr(given, name)
        harmless, advice = allowed[name]
        if value is not None and not harmless(value):
            raise refused_field(name, advice)


def one_of(*values: Any) -> Callable[[Any], bool]:
    """A test for ``uncarried``."""
    return lambda value: any(value == each and type(value) is type(each) for each in values)


def never(_: Any) -> bool:
    """The field is harmless only where it is absent."""
    return False


def image_of_url(url: str, param: str, detail: str | None = None) -> ImagePart:
    """An https address, or the data that a ``data:`` URL holds."""
    known = detail if detail in ("auto", "low", "high") else None
    if detail is not None and known is None:
        raise refused_field(param, "detail must be auto, low or high")
    found = _DATA_URL.fullmatch(url)
    if found is not None:
        return image_of_data(found["type"], found["data"], param, known)
    if not url.startswith("https://"):
        raise refused_field(param, "an image is given as a data: URL in base64, or by an https address")
    return _image(param, url=url, detail=known)


def image_of_data(media_type: str, data: str, param: str, detail: str | None = None) -> ImagePart:
    """An image in base64."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise refused_field(param, "the image's data are not base64") from None
    return _image(param, media_type=media_type, data=raw, detail=detail)


def _image(param: str, **fields: Any) -> ImagePart:
    try:
        # Bytes are validated as they are here; the contract reads base64 from JSON only.
        return ImagePart.model_validate(fields)
    except ValidationError:
        raise refused_field(param, "images are png, jpeg, gif or webp") from None


def arguments_of(text: str, param: str) -> dict[str, Json]:
    """A tool call's arguments, which clients send as text."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise refused_field(param, "the arguments of a tool call are not JSON: send back what you were given") from None
    if not isinstance(value, dict):
        raise refused_field(param, "the arguments of a tool call are a JSON object")
    return cast("dict[str, Json]", value)


def tool_of(name: str, description: str | None, schema: Json, strict: bool | None, param: str, **more: Any) -> ToolSpec:
    """A tool that a client offers."""
    if _TOOL_NAME.fullmatch(name) is None:
        raise refused_field(f"{param}.name", "a tool's name is 1 to 128 of a-z A-Z 0-9 _ -")
    wanted = schema or EMPTY_SCHEMA
    if not isinstance(wanted, dict) or cast("dict[str, Json]", wanted).get("type") != "object":
        raise refused_field(param, "a tool's parameters are a JSON Schema of type object", "invalid_tool_schema")
    found = cast("dict[str, Json]", wanted)
    return ToolSpec(name=name, description=description or "", parameters=found, strict=strict, **more)


def checked_tools(tools: tuple[ToolSpec, ...], choice: ToolChoice | None) -> ToolChoice | None:
    """The choice, where it and the tools do not contradict each other."""
    names = [tool.name for tool in tools]
    if len(set(names)) != len(names):
        raise refused_field("tools", "two tools have the same name")
    if choice is not None and choice.mode == "tool" and choice.name not in names:
        raise refused_field("tool_choice", "names a tool that is not among the tools")
    if choice is not None and choice.mode == "required" and not names:
        raise refused_field("tool_choice", "asks for a tool call, but there are no tools")
    # Without tools there is nothing to choose.
    return choice if names else None


def allowed_of(tools: tuple[ToolSpec, ...], names: Sequence[str]) -> tuple[ToolSpec, ...]:
    """The tools that may be called this time. A model that is told of no others calls none, whatever its provider."""
    offered = {tool.name: tool for tool in tools}
    if not names or not offered.keys() >= set(names):
        raise refused_field("tool_choice", "allows a tool that is not among the tools, or none: tool_choice none is for that")
    return tuple(tool for tool in tools if tool.name in names)


def no_messages(param: str) -> EndpointError:
    """A request that asks nothing."""
    return refused_field(param, "must hold at least one message of the user")
