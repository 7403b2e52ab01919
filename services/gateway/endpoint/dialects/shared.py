"""What the dialects' requests have in common: marks at the ends of prefixes that are worth keeping, tools, late instructions."""

from typing import Any, Literal, cast

from pydantic import BaseModel, model_validator
from pydantic_core import PydanticCustomError

from agentos.contracts.model import ImagePart
from services.gateway.endpoint.asked import Strict

Ttl = Literal["5m", "1h"]

NAMELESS = "messages: names of participants are not carried"


class CacheControl(Strict):
    """Anthropic's mark, which OpenRouter and LiteLLM take in OpenAI's format too."""

    type: Literal["ephemeral"]
    ttl: Ttl = "5m"


class Cached(Strict):
    """What may carry Anthropic's mark."""

    cache_control: CacheControl | None = None

    @property
    def cache(self) -> Ttl | None:
        """Where it ends a prefix to be kept: for how long."""
        return None if self.cache_control is None else self.cache_control.ttl


class Breakpoint(Strict):
    """OpenAI's mark. Of its lifetimes the longer one is what an hour is to others."""

    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class Marked(Cached):
    """What may carry either mark."""

    prompt_cache_breakpoint: Breakpoint | None = None

    @property
    def cache(self) -> Ttl | None:
        """As ``Cached.cache``."""
        if self.prompt_cache_breakpoint is None:
            return super().cache
        return "1h" if self.prompt_cache_breakpoint.ttl == "12h" else "5m"


class Direct(Strict):
    """Who calls a tool: the model itself, and no program that runs at the provider."""

    type: Literal["direct"]


class OwnTool(Strict):
    """A tool of the client's own. Those that a provider defines are refused by their type, whatever else they hold."""

    defer_loading: Literal[False] | None = None
    allowed_callers: tuple[Literal["direct"], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _own(cls, value: Any) -> Any:
        kind = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else None
        if kind not in (None, "function", "custom") or (kind == "custom" and "function" in _kinds(cls)):
            raise PydanticCustomError(
                "not_a_tool_of_the_client",
                "only functions of the client's own are carried: a tool that the provider defines or runs itself would not be governed",
            )
        return value  # pyright: ignore[reportUnknownVariableType] - JSON


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    return getattr(model.model_fields["type"].annotation, "__args__", ())


def marked(image: ImagePart, cache: Ttl | None) -> ImagePart:
    """The image, with its mark."""
    return image if cache is None else image.model_copy(update={"cache": cache})


_USUAL = {"mode": "implicit", "ttl": "30m"}


def is_the_usual(options: Any) -> bool:
    """Whether options of the prompt's cache say no more than what holds without them."""
    return isinstance(options, dict) and all(
        value == _USUAL.get(name) for name, value in cast("dict[str, Any]", options).items()
    )


def late(where: str) -> str:
    """A note on instructions that came in the midst of a conversation."""
    return f"{where}: instructions in the midst of a conversation stand before it"
