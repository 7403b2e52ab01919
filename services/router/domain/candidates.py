"""Which targets can serve a request at all, and why the others cannot. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field

from agentos.contracts.model import ModelRequest, ToolResultPart, images


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request asks of a model, as far as models differ in it."""

    kind: str
    input_tokens: int
    output_tokens: int
    tools: bool
    json_schema: bool
    images: bool
    image_urls: bool
    thinking: bool
    streaming: bool
    regions: frozenset[str] | None = None
    """Where it may be processed; None for anywhere."""
    providers: frozenset[str] | None = None
    models: tuple[str, ...] = ()
    """The only targets that policy permits, in its order; empty for any."""
    data_classes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ability:
    """What one target offers."""

    target: str
    context_tokens: int | None = None
    """None where nobody says: then length rejects nothing."""
    max_output_tokens: int | None = None
    streaming: bool = True
    tools: bool = True
    json_schema: bool = True
    images: bool = True
    image_urls: bool = True
    thinking: bool = True
    embeddings: bool = False
    generates: bool = True
    regions: frozenset[str] | None = None
    """Where it processes; None where it is not known, which satisfies no demand."""
    refuses_data: frozenset[str] = frozenset()
    """Kinds of data that the operator sends there under no circumstances."""
    quality: int | None = None
    weight: float = 1.0

    @property
    def provider(self) -> str:
        """The part before the slash."""
        return self.target.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target with the codes of what speaks against it."""

    ability: Ability
    rejected: tuple[str, ...] = field(default=())


def needs_of(request: ModelRequest, *, input_tokens: int, streaming: bool) -> Needs:
    """What the request itself demands; what policy demands is added by the caller."""
    pictures = list(images(request))
    return Needs(
        kind=request.kind,
        input_tokens=input_tokens,
        output_tokens=request.max_output_tokens if request.kind == "generate" else 0,
        tools=bool(request.tools) or _has_tool_results(request),
        json_schema=request.response_format is not None,
        images=bool(pictures),
        image_urls=any(each.url is not None for each in pictures),
        thinking=request.thinking is not None and request.thinking.effort != "none" and request.thinking.budget_tokens != 0,
        streaming=streaming,
    )


def judge(ability: Ability, needs: Needs, alive: Collection[str]) -> Verdict:
    """Everything that speaks against a target; ``alive`` are the providers that are switched on."""
    against = [code for code, holds in _objections(ability, needs, alive) if holds]
    return Verdict(ability, tuple(against))


def _objections(ability: Ability, needs: Needs, alive: Collection[str]) -> tuple[tuple[str, bool], ...]:
    embed = needs.kind == "embed"
    window, most = ability.context_tokens, ability.max_output_tokens
    return (
        ("provider_off", ability.provider not in alive),
        ("not_permitted", needs.providers is not None and ability.provider not in needs.providers),
        ("not_permitted", bool(needs.models) and ability.target not in needs.models),
        ("residency", needs.regions is not None and not (ability.regions or frozenset()) & needs.regions),
        ("data_class", bool(ability.refuses_data & needs.data_classes)),
        ("no_embeddings", embed and not ability.embeddings),
        ("embeddings_only", not embed and not ability.generates),
        ("context_too_long", window is not None and needs.input_tokens > window),
        ("no_room_for_output", window is not None and needs.input_tokens <= window < needs.input_tokens + needs.output_tokens),
        ("output_too_long", most is not None and needs.output_tokens > most),
        ("no_tools", needs.tools and not ability.tools),
        ("no_json_schema", needs.json_schema and not ability.json_schema),
        ("no_vision", needs.images and not ability.images),
        ("no_image_urls", needs.image_urls and ability.images and not ability.image_urls),
        ("no_thinking", needs.thinking and not ability.thinking),
        ("no_streaming", needs.streaming and not ability.streaming),
    )


def _has_tool_results(request: ModelRequest) -> bool:
    return any(isinstance(part, ToolResultPart) for message in request.messages for part in message.parts)
