"""The live feed's messages: JSON text frames, both ways. Pure."""

import json
from functools import cached_property
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic_core import from_json

from agentos.bus import Raw
from agentos.contracts.envelope import CAUSATION, CLAIM, CORRELATION, EVENT_ID, TIME
from services.gateway.ledger import without_ciphertext
from services.gateway.live import topics

MOST_DATA_BYTES = 32 * 1024
"""Of an event's data in a frame; what is larger is left out and marked, to be fetched when somebody asks for it."""


class _Frame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Topics = Annotated[tuple[str, ...], Field(max_length=topics.MOST_TOPICS)]


def _check(given: tuple[str, ...]) -> tuple[str, ...]:
    for topic in given:
        if not topics.is_topic(topic):
            raise ValueError("a topic is a name such as task.settled, a beginning such as task.*, or *")
    return given


class Hello(_Frame):
    """The first frame: who, from where on, and what of it. ``since`` null begins with what comes next."""

    type: Literal["hello"]
    token: str = Field(min_length=1, max_length=8_192)
    since: int | None = Field(default=None, ge=0, le=2**53)
    topics: Topics = ("*",)

    _topics = field_validator("topics")(_check)


class NewTopics(_Frame):
    """What to tell from now on."""

    type: Literal["topics"]
    topics: Topics

    _topics = field_validator("topics")(_check)


class NewToken(_Frame):
    """A fresh token of the same session, before the one in use expires."""

    type: Literal["token"]
    token: str = Field(min_length=1, max_length=8_192)


class Pong(_Frame):
    """The answer to a ping."""

    type: Literal["pong"]


Sent = Annotated[Hello | NewTopics | NewToken | Pong, Field(discriminator="type")]
_SENT: TypeAdapter[Hello | NewTopics | NewToken | Pong] = TypeAdapter(Sent)


class BadFrame(Exception):
    """What a client sent is none of these frames; the message says where."""


def read(text: str) -> Hello | NewTopics | NewToken | Pong:
    """A client's frame. Raises BadFrame."""
    try:
        return _SENT.validate_json(text)
    except ValidationError as bad:
        first = bad.errors(include_input=False, include_url=False)[0]
        raise BadFrame(f"{'.'.join(map(str, first['loc'])) or 'frame'}: {first['msg']}"[:120]) from None


def text(type_: str, **fields: Any) -> str:
    """A frame of ours."""
    return json.dumps({"type": type_, **fields}, separators=(",", ":"))


class Event:
    """An event on its way out. It is read and written once, however many are told, and not at all where nobody listens."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.seq = raw.seq
        parts = raw.subject.split(".")
        self.readable = len(parts) >= 5
        self.tenant, self.aggregate, self.id, self.fact = parts[1:5] if self.readable else ("", "", "", "")
        self.name = topics.name_of(self.aggregate, self.fact)
        self.action = topics.shown(self.aggregate).action

    @cached_property
    def data(self) -> Any:
        """The payload with its sealed parts marked; None for what is too large, or no JSON."""
        if CLAIM in self.raw.headers or len(self.raw.body) > 8 * MOST_DATA_BYTES:
            return None
        try:
            return without_ciphertext(from_json(self.raw.body))
        except ValueError:
            return None

    @cached_property
    def frame(self) -> str:
        """The text that goes out."""
        headers = self.raw.headers
        fields: dict[str, Any] = {
            "position": self.seq,
            "name": self.name,
            "event": f"{self.aggregate}.{self.fact}",
            "subject": self.raw.subject,
            "time": headers.get(TIME),
            "event_id": headers.get(EVENT_ID),
            "correlation_id": headers.get(CORRELATION),
            "causation_id": headers.get(CAUSATION),
        }
        written = text("event", **fields, data=self.data, complete=self.data is not None)
        if len(written) > MOST_DATA_BYTES:
            written = text("event", **fields, data=None, complete=False)
        return written

    @property
    def for_everyone(self) -> bool:
        """Whether it tells of a switch that stops every tenant: such a one every tenant sees."""
        if self.aggregate != "kill" or not isinstance(self.data, dict):
            return False
        return cast("dict[str, Any]", self.data).get("scope") == "global"
