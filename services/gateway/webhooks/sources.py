"""The configured webhook sources, and what a verified delivery of each means: a task, a ping, or nothing.

The file (``AGENTOS_GATEWAY_SOURCES_FILE``) is JSON: ``{"<name>": {"kind": "github", "secret_env": "GITHUB_WEBHOOK_SECRET",
"tenant": "default", "events": {"issues.opened": "<task type>"}}}``. Event ``*`` takes whatever has no row of its own.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, model_validator

from agentos.contracts.base import Priority, Token
from services.gateway.strict_json import BadJson, parse
from services.gateway.webhooks import github, standard

MIN_SECRET_BYTES = 16
_EVENT = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")
_KEPT_HEADERS = ("user-agent", "x-github-event", "x-github-delivery", "x-github-hook-id", "webhook-id", "webhook-timestamp")
"""What a pack may want to know of the delivery; never a signature, a cookie or an authorization."""


class SourceConfig(BaseModel):
    """One source as configured. Exactly one of ``secret_env`` and ``secret_file`` says where its secret stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["github", "standard"]
    secret_env: str | None = None
    secret_file: Path | None = None
    tenant: Token = "default"
    events: dict[str, Token] = Field(min_length=1)
    priority: Priority = "normal"
    pack: Token | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("give secret_env (the name of an environment variable) or secret_file (a path), one of them")
        for event in self.events:
            if event != "*" and _EVENT.fullmatch(event) is None:
                raise ValueError(f"{event!r} is no event name")
        return self


@dataclass(frozen=True, slots=True)
class Source:
    """A source with its secret read."""

    name: str
    kind: Literal["github", "standard"]
    secret: SecretStr
    """The text as the sender's settings show it."""
    key: bytes
    tenant: str
    events: Mapping[str, str]
    priority: Priority = "normal"
    pack: str | None = None

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.kind!r})"


@dataclass(frozen=True, slots=True)
class Ping:
    """The sender asks whether we are here."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A genuine delivery that no task is configured for."""

    event: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A genuine delivery that becomes a task of ``task_type``."""

    task_type: str
    event: str
    action: str | None


class BadSources(ValueError):
    """The configuration is refused; the message names the source and the field, and holds no secret."""


def source(name: str, config: SourceConfig, environ: Mapping[str, str]) -> Source:
    """The source with its secret read from ``environ`` or its file. Raises BadSources."""
    if config.secret_env is not None:
        text, where = environ.get(config.secret_env, ""), f"environment variable {config.secret_env}"
    else:
        assert config.secret_file is not None  # noqa: S101 - the model's validator saw to it
        where = f"file {config.secret_file}"
        try:
            text = config.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as unreadable:
            raise BadSources(f"source {name}: cannot read the {where}: {type(unreadable).__name__}") from None
    if config.kind == "github":
        key = text.encode()
    else:
        try:
            key = standard.parse_secret(text)
        except ValueError as bad:
            raise BadSources(f"source {name}: {where}: {bad}") from None
    if len(key) < MIN_SECRET_BYTES:
        raise BadSources(f"source {name}: the secret in the {where} must have at least {MIN_SECRET_BYTES} bytes")
    return Source(name, config.kind, SecretStr(text), key, config.tenant, config.events, config.priority, config.pack)


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> dict[str, Source]:
    """All sources in the file at ``path``; none when there is no path. Raises BadSources."""
    if path is None:
        return {}
    try:
        raw = parse(path.read_bytes())
    except OSError as unreadable:
        raise BadSources(f"cannot read {path}: {type(unreadable).__name__}") from None
    except BadJson as bad:
        raise BadSources(f"{path}: {bad.detail}") from None
    try:
        configs = TypeAdapter(dict[Token, SourceConfig]).validate_python(raw)
    except ValidationError as bad:
        where = "; ".join(f"{'.'.join(map(str, e['loc'])) or '(root)'}: {e['msg']}" for e in bad.errors(include_input=False))
        raise BadSources(f"{path}: {where}") from None
    return {name: source(name, config, os.environ if environ is None else environ) for name, config in configs.items()}


def event_of(kind: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str | None]:
    """Event and action of a delivery, as its kind tells them. Raises ValueError naming what is missing."""
    if kind == "github":
        event, action = headers.get("x-github-event", ""), body.get("action")
    else:
        event, action = body.get("type"), None
        if not isinstance(event, str):
            raise ValueError("the body needs a 'type' (Standard Webhooks: the event's full-stop delimited name)")
    if _EVENT.fullmatch(event) is None or not (action is None or isinstance(action, str)):
        raise ValueError(
            "X-GitHub-Event and action must name the event" if kind == "github" else "the body's 'type' is no event name"
        )
    return event, action


def meaning(source: Source, event: str, action: str | None) -> Wanted | Ignored | Ping:
    """What the delivery is to us."""
    if source.kind == "github" and event == "ping":
        return Ping()
    full = event if action is None else f"{event}.{action}"
    for name in (full, event, "*"):
        if (task_type := source.events.get(name)) is not None:
            return Wanted(task_type, event, action)
    return Ignored(full[:200], "this event is not configured for the source")


def task_input(source: Source, wanted: Wanted, headers: Mapping[str, str], body: Any) -> dict[str, Any]:
    """What the pack gets as its input."""
    return {
        "source": source.name,
        "event": wanted.event,
        "action": wanted.action,
        "headers": {name: headers[name] for name in _KEPT_HEADERS if name in headers},
        "body": body,
    }


__all__ = [
    "BadSources", "Ignored", "Ping", "Source", "SourceConfig", "Wanted", "event_of", "github", "load", "meaning", "source", "standard",
    "task_input",
]  # fmt: skip
