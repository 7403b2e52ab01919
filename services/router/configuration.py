"""The routing configuration: one YAML file that says which models there are, what they are called, and in which order they are tried.

Without a file everything is as the keys in the environment make it. No key stands in the file: it names labels.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from agentos.contracts.base import Contract
from agentos.contracts.routing import Ordering
from services.router.prices.overrides import OwnPrice


class ConfigurationRefused(Exception):
    """The file cannot be used. The message names each place and what to do."""


def _target(value: str) -> str:
    provider, slash, model = value.partition("/")
    if not (provider and slash and model):
        raise ValueError('write "provider/model", such as openai/gpt-5-mini')
    return value


Target = Annotated[str, AfterValidator(_target)]
Seconds = Annotated[float, Field(gt=0, le=3_600)]


class Limits(Contract):
    """What one key of a provider bears, as its contract says; learned from its headers and refusals where nothing stands here."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    max_in_flight: int = Field(default=256, ge=1, le=10_000)


class ProviderSettings(Contract):
    """One provider, whatever its model."""

    regions: frozenset[str] | None = None
    """Where it processes, such as ``eu``; a task that must stay in a region goes to no provider that does not say."""
    refuses_data: frozenset[str] = frozenset()
    """Kinds of data that never go there, redacted or not, by the names of the redactor: ``US_SSN``, ``SECRET``."""
    limits: Limits = Limits()
    keys: dict[str, Limits] = Field(default_factory=dict[str, Limits])
    """Limits of single keys by label, such as ``openai#2``."""


class ModelSettings(Contract):
    """What is known of one model. What is left out comes from the price table and the adapter."""

    context_tokens: int | None = Field(default=None, ge=1)
    max_output_tokens: int | None = Field(default=None, ge=1)
    quality: int | None = Field(default=None, ge=1, le=5)
    """1 is the least, 5 the best; what the ordering ``quality`` goes by."""
    weight: float = Field(default=1.0, ge=0, le=1_000)
    without: frozenset[Literal["streaming", "tools", "json_schema", "images", "image_urls", "thinking", "embeddings"]] = (
        frozenset()
    )
    """What it cannot do, although its provider's format could say it."""
    embeddings: bool | None = None
    regions: frozenset[str] | None = None
    """In place of the provider's."""
    prices: tuple[OwnPrice, ...] = Field(default=(), max_length=100)
    """In place of the price table, from a day on."""


class Hedge(Contract):
    """A second attempt at the next target when the first has said nothing for so long. The one that speaks first wins; both are paid for."""

    after_s: Seconds
    at_most: float = Field(default=0.05, gt=0, le=1)
    """The share of calls that may be hedged: a slow provider must not double the traffic."""


class CacheSettings(Contract):
    """Answers to exactly the same redacted request of the same tenant are kept for so long."""

    ttl_s: int = Field(ge=1, le=30 * 86_400)
    tool_calls: bool = False
    """Whether answers that ask for tools are kept as well."""


class Alias(Contract):
    """A name that is asked for, and the targets that it stands for."""

    targets: tuple[Target, ...] = Field(min_length=1, max_length=32)
    ordering: Ordering = "listed"
    sticky: bool = True
    """Requests with the same beginning go to the same target, where its prompt cache may hold it."""
    fallbacks: bool = True
    """Whether the next target is tried when one fails."""
    hedge: Hedge | None = None
    cache: CacheSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """A plain target, or a list of them, is enough."""
        if isinstance(value, str):
            return {"targets": [value]}
        return {"targets": value} if isinstance(value, list | tuple) else value  # pyright: ignore[reportUnknownVariableType] - JSON


class Retries(Contract):
    """How often and how long one call is tried."""

    tries_per_target: int = Field(default=3, ge=1, le=10)
    attempts: int = Field(default=8, ge=1, le=50)
    """Over all targets."""
    longest_wait_s: float = Field(default=30.0, ge=0, le=600)
    """A provider that wants us to wait longer is passed over."""


class Timeouts(Contract):
    """How long is waited for a provider."""

    attempt_s: Seconds = 120.0
    """For a whole answer that is not streamed."""
    first_token_s: Seconds = 60.0
    stall_s: Seconds = 30.0
    """Between two pieces of a stream."""
    thinking_s: Seconds = 600.0
    """In place of the first two, where it is longer and the request asks for thinking: much of it is said by no piece of a stream."""
    queue_s: Seconds = 20.0
    """For room at a target, before the next one is tried."""


class BreakerSettings(Contract):
    """When a target is left alone: see ``domain.breaker``."""

    consecutive: int = Field(default=5, ge=1)
    share: float = Field(default=0.5, gt=0, le=1)
    least: int = Field(default=10, ge=1)
    window_s: Seconds = 60.0
    open_s: Seconds = 15.0
    longest_s: Seconds = 300.0
    probes: int = Field(default=2, ge=1)


class Configuration(Contract):
    """The whole file. An alias may be asked for by name; any target of a provider that is on may be asked for as it is."""

    providers: dict[str, ProviderSettings] = Field(default_factory=dict[str, ProviderSettings])
    models: dict[Target, ModelSettings] = Field(default_factory=dict[str, ModelSettings])
    aliases: dict[str, Alias] = Field(default_factory=dict[str, Alias])
    ordering: Ordering = "listed"
    """For a model that policy opens to several targets without an alias."""
    retries: Retries = Retries()
    timeouts: Timeouts = Timeouts()
    breaker: BreakerSettings = BreakerSettings()
    cache: CacheSettings | None = None
    """For every alias that says nothing else; nothing is kept without it."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in self.aliases:
            if "/" in name or not name or name != name.strip():
                raise ValueError(f'alias {name!r}: an alias has no slash and no blanks around it; "provider/model" is a target')
        return self

    @property
    def digest(self) -> str:
        """Names this configuration in events."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:16]

    @property
    def prices(self) -> dict[str, tuple[OwnPrice, ...]]:
        """The operator's own, by "provider/model"."""
        return {target: model.prices for target, model in self.models.items() if model.prices}

    def provider(self, name: str) -> ProviderSettings:
        """The settings of a provider, the usual ones where the file says nothing."""
        return self.providers.get(name) or ProviderSettings()

    def model(self, target: str) -> ModelSettings:
        """The settings of a model, the usual ones where the file says nothing."""
        return self.models.get(target) or ModelSettings()


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key of the same name win silently; here it is a mistake that is told."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # pyright: ignore[reportUnknownVariableType] - untyped library
            if key in seen:
                mark = key_node.start_mark
                raise ConfigurationRefused(f"line {mark.line + 1}: {key!r} stands twice; keep one of them")
            seen.add(key)
        return super().construct_mapping(node, deep)  # pyright: ignore[reportUnknownVariableType] - untyped library


def parse(text: str, *, aliases: Mapping[str, tuple[str, ...]] | None = None) -> Configuration:
    """The configuration in ``text``; ``aliases`` from the environment stand beside the file's, which win. Raises ConfigurationRefused."""
    try:
        read: Any = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else "?"
        raise ConfigurationRefused(f"line {line}: this is no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Characters that YAML does not allow, a date that is none, brackets without end.
        raise ConfigurationRefused(f"this is no YAML: {error}") from None
    if read is None:
        read = {}
    if not isinstance(read, dict):
        raise ConfigurationRefused(
            "the file holds a mapping: providers, models, aliases, ordering, retries, timeouts, breaker, cache"
        )
    values = cast("dict[str, Any]", read)
    own: Any = values.get("aliases") or {}
    if aliases and isinstance(own, dict):
        values = {**values, "aliases": {**aliases, **cast("dict[str, Any]", own)}}
    try:
        return Configuration.model_validate(values)
    except ValidationError as refused:
        places = [
            f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg'].removeprefix('Value error, ')}"
            for each in refused.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationRefused("\n".join(places)) from None


def load(path: Path | None, *, aliases: Mapping[str, tuple[str, ...]] | None = None) -> Configuration:
    """The file's configuration, or the usual one where there is none. Raises ConfigurationRefused, also where it cannot be read."""
    if path is None:
        return parse("", aliases=aliases)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationRefused(
            f"{path} cannot be read ({type(error).__name__}): AGENTOS_ROUTER_CONFIG names the file"
        ) from None
    try:
        return parse(text, aliases=aliases)
    except ConfigurationRefused as refused:
        raise ConfigurationRefused(f"{path}:\n{refused}") from None
