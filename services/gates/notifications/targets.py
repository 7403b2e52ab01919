"""Who is told of what: the operator's configuration, and the only places that anything is ever sent to."""

import base64
import binascii
import ipaddress
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from agentos.contracts.base import Token
from agentos.contracts.ids import derived_id
from services.gates.domain.notifications import DELAYS, Topic

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX) + "=" * (-len(text.removeprefix(PREFIX)) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"a secret is {PREFIX!r} and the base64 of {LEAST_BYTES} to {MOST_BYTES} random bytes")
    return value


Secret = Annotated[SecretStr, AfterValidator(_secret)]
EVERY: tuple[Topic, ...] = (
    "approval.requested", "approval.escalated", "approval.resolved", "kill.engaged", "kill.released",
)  # fmt: skip


class _Settings(BaseModel):
    # An error in the configuration must not print the secret beside it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WebhookTarget(_Settings):
    """An endpoint that takes signed Standard Webhooks. Two secrets while one takes the place of the other: both sign."""

    name: Token
    url: str = Field(max_length=2_000)
    secrets: tuple[Secret, ...] = Field(min_length=1, max_length=2)
    events: tuple[Topic, ...] = EVERY
    tenant: Token | None = None
    """Only what happens in this tenant; everything without one."""
    allow_http: bool = False
    """Plain HTTP to another machine: whoever is on the way can read the previews."""

    @model_validator(mode="after")
    def _address(self) -> "WebhookTarget":
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("url must be http(s)://host[:port]/path without credentials")
        if parts.scheme == "http" and not (self.allow_http or _loopback(parts.hostname)):
            raise ValueError("url must be https, or set allow_http")
        return self

    @property
    def address_id(self) -> str:
        """What it is disabled by: another name or address is another target."""
        return derived_id("webhook", self.name, self.url)


class SmtpTarget(_Settings):
    """A mail server, and whom it brings what to: addresses by role, ``*`` for those who get everything."""

    name: Token = "smtp"
    host: str
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """``none`` is for a relay on this machine: credentials are refused with it."""
    user: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    """Authorities to trust instead of the system's."""
    sender: str = Field(alias="from", pattern=r"^[^@\s<>\r\n]+@[^@\s<>\r\n]+$")
    to: dict[str, tuple[Annotated[str, Field(pattern=r"^[^@\s<>\r\n]+@[^@\s<>\r\n]+$")], ...]]
    events: tuple[Topic, ...] = EVERY
    tenant: Token | None = None

    @model_validator(mode="after")
    def _not_in_clear(self) -> "SmtpTarget":
        if self.security == "none" and (self.user or self.password):
            raise ValueError("a password does not travel in clear: set security to starttls or tls")
        return self

    def recipients(self, roles: tuple[str, ...]) -> list[str]:
        """The addresses of these roles and of those who get everything, each once."""
        return list(dict.fromkeys(address for role in (*roles, "*") for address in self.to.get(role, ())))

    @property
    def address_id(self) -> str:
        """As of a webhook; a mail server never says that it is gone for good."""
        return derived_id("smtp", self.name, self.host)


class Targets(_Settings):
    """Everyone who is told something. ``link`` is the address of the operators' console, for the links in what they get."""

    link: str | None = None
    webhooks: tuple[WebhookTarget, ...] = Field(default=(), max_length=50)
    smtp: SmtpTarget | None = None
    retry_after: tuple[timedelta, ...] = Field(default=DELAYS, min_length=1, max_length=20)
    timeout: timedelta = timedelta(seconds=15)

    @model_validator(mode="after")
    def _names(self) -> "Targets":
        names = [target.name for target in self.all]
        if len(set(names)) != len(names):
            raise ValueError("each target needs a name of its own")
        return self

    @property
    def all(self) -> tuple[WebhookTarget | SmtpTarget, ...]:
        """Webhooks, then mail."""
        return self.webhooks if self.smtp is None else (*self.webhooks, self.smtp)

    def of(self, name: str) -> WebhookTarget | SmtpTarget | None:
        """The target of this name."""
        return next((target for target in self.all if target.name == name), None)

    @classmethod
    def load(cls, path: Path) -> "Targets":
        """From a JSON file. Raises ValueError naming the field that is wrong, and never its value."""
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except ValidationError as bad:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors(include_input=False))
            raise ValueError(f"{path}: {wrong}") from None
        except json.JSONDecodeError as bad:
            raise ValueError(f"{path}: no JSON in line {bad.lineno}") from None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
