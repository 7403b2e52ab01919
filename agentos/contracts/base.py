"""The base of every payload, and the few value types that many payloads share."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from agentos.contracts.ids import is_token


class Contract(BaseModel):
    """Frozen, and strict about unknown fields: what is not in the schema is refused at the edge."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("needs a time zone; send UTC, such as 2026-01-31T12:00:00Z")
    return value


def _token(value: str) -> str:
    if not is_token(value):
        raise ValueError("must be 1 to 128 of A-Z a-z 0-9 _ -")
    return value


Utc = Annotated[datetime, AfterValidator(_utc)]
Token = Annotated[str, AfterValidator(_token)]
Usd = Annotated[Decimal, PlainSerializer(str, return_type=str), Field(max_digits=24, decimal_places=12)]
Json = Any
"""Any JSON value. Kept as an alias so that a payload's free-form fields are visible."""

Priority = Literal["high", "normal", "low"]
Verdict = Literal["allow", "deny", "hold"]


class Sealed(Contract):
    """An encrypted sub-object: the only place where personal data may stand in an event.

    ``alg`` is AES-256-GCM; ``nonce`` is 12 bytes; ``ciphertext`` ends in the 16-byte tag; ``key`` names the task data key
    (bucket ``keys``), without which the bytes mean nothing to anyone: deleting it erases them everywhere. The additional
    authenticated data is ``key`` + ``purpose``, so a sealed value cannot be passed off as another.
    """

    alg: Literal["A256GCM"] = "A256GCM"
    key: Token
    purpose: str
    nonce: bytes
    ciphertext: bytes


class Principal(Contract):
    """Who asked for something: a person who signed in, an API key, a webhook source, a pack, or a service itself."""

    kind: Literal["user", "api_key", "webhook", "pack", "service"]
    id: str
    roles: tuple[str, ...] = ()


class Ruling(Contract):
    """What every decision of the policy says of itself: enough to explain it, and to ask the same question of other rules.

    ``question`` is the whole input of the Rego package ``package``; it holds no payload and no personal data. It is empty when the rules
    were not asked (a kill switch, a fault).
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    monitored: tuple[str, ...] = ()
    """Rules that would have denied or held if they were enforced rather than monitored."""
    bundle: str
    """Revision of the policy bundle that decided."""
    package: str = ""
    question: dict[str, Json] = Field(default_factory=dict)


class Fault(Contract):
    """Why something failed. ``message`` is for people, says what to do, and holds no secret and no personal data."""

    code: str
    message: str
    retryable: bool = False
