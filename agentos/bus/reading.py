"""Reads that see every acknowledged write.

They go to the stream's leader (``STREAM.MSG.GET``, ``STREAM.INFO``), not to whichever replica is nearest: a direct get may be
answered by a follower that is behind, and a service that misses a fact it was just told of would drop work or do it twice.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from agentos.bus.tail import Raw
from agentos.contracts.errors import RetryLater

TIMEOUT_S = 5.0
"""Longer than the choice of a new leader takes, or a machine that is busy with something else stands still."""
NO_MESSAGE = 10037
"""JetStream's code for a subject without a message."""
GONE = 10043
"""JetStream's code for a sequence without a message."""
NOT_DELETED = 10057
"""JetStream's code for a message that it did not delete."""
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class HandedOut:
    """Stream sequences, both included: all that a durable consumer's reader has not answered lies between them."""

    first: int
    last: int


class Reading:
    """Reads of one connection. All methods raise RetryLater when the broker does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def last(self, stream: str, subject: str) -> Raw | None:
        """The last message on ``subject``, or None."""
        answer = await self._ask(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
        return None if answer is None else _stored(answer["message"])

    async def at(self, stream: str, seq: int) -> Raw | None:
        """The message that stands at ``seq``, or None."""
        answer = await self._ask(f"STREAM.MSG.GET.{stream}", {"seq": seq})
        return None if answer is None else _stored(answer["message"])

    async def every_last(self, stream: str, pattern: str) -> list[Raw]:
        """The last message on each subject that ``pattern`` covers, in stream order."""
        subjects = await self._subjects(stream, pattern)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def read(subject: str) -> Raw | None:
            async with slots:
                return await self.last(stream, subject)

        found = await asyncio.gather(*(read(subject) for subject in subjects))
        return sorted((raw for raw in found if raw is not None), key=lambda raw: raw.seq)

    async def handed_out(self, stream: str, consumer: str) -> HandedOut | None:
        """What a durable's reader holds; None when nothing is left unanswered."""
        info = await self._ask(f"CONSUMER.INFO.{stream}.{consumer}", {}) or {}
        if not info.get("num_ack_pending"):
            return None
        return HandedOut(int(info["ack_floor"]["stream_seq"]) + 1, int(info["delivered"]["stream_seq"]))

    async def between(self, stream: str, pattern: str, span: HandedOut) -> list[Raw]:
        """The messages that ``pattern`` covers within ``span``, one request each."""
        found: list[Raw] = []
        at = span.first
        while at <= span.last:
            answer = await self._ask(f"STREAM.MSG.GET.{stream}", {"seq": at, "next_by_subj": pattern})
            if answer is None or (raw := _stored(answer["message"])).seq > span.last:
                break
            found.append(raw)
            at = raw.seq + 1
        return found

    async def every(self, stream: str, subject: str) -> list[Raw]:
        """All that is kept on ``subject``, oldest first: a request each, and one for the end."""
        found: list[Raw] = []
        while True:
            at = found[-1].seq + 1 if found else 1
            answer = await self._ask(f"STREAM.MSG.GET.{stream}", {"seq": at, "next_by_subj": subject})
            if answer is None:
                return found
            found.append(_stored(answer["message"]))

    async def _subjects(self, stream: str, pattern: str) -> list[str]:
        found: list[str] = []
        while True:
            info = await self._ask(f"STREAM.INFO.{stream}", {"subjects_filter": pattern, "offset": len(found)}) or {}
            page: dict[str, int] = info.get("state", {}).get("subjects") or {}
            found.extend(page)
            # The broker gives at most 100,000 subjects at once.
            if not page or len(found) >= int(info.get("total") or 0):
                return found

    async def erase(self, stream: str, seq: int) -> bool:
        """Have the broker overwrite one message where it stands on disk; whether it was still there. Idempotent."""
        try:
            return await self._ask(f"STREAM.MSG.DELETE.{stream}", {"seq": seq, "no_erase": False}) is not None
        except RetryLater as refused:
            # The code says that it failed and not why. Where the message is gone, somebody else was first.
            gone = refused.fields.get("err_code") == NOT_DELETED
            if gone and await self._ask(f"STREAM.MSG.GET.{stream}", {"seq": seq}) is None:
                return False
            raise

    async def _ask(self, what: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            reply = await self._client.request(f"$JS.API.{what}", json.dumps(body).encode(), timeout=TIMEOUT_S)
        except (NatsError, TimeoutError) as fault:
            raise RetryLater(f"the broker did not answer {what}", code="broker_unavailable") from fault
        answer: dict[str, Any] = json.loads(reply.data)
        error = answer.get("error")
        if error is None:
            return answer
        if error.get("err_code") in (NO_MESSAGE, GONE):
            return None
        raise RetryLater(
            f"the broker answered {what} with {error.get('description')}",
            code="broker_unavailable",
            err_code=error.get("err_code"),
        )


def _stored(message: Mapping[str, Any]) -> Raw:
    stamp = datetime.fromisoformat(message["time"])
    return Raw(
        subject=message["subject"],
        headers=_headers(base64.b64decode(message.get("hdrs") or "")),
        body=base64.b64decode(message.get("data") or ""),
        seq=int(message["seq"]),
        pending=0,
        time_ns=int(stamp.timestamp() * 1e9),
    )


def _headers(block: bytes) -> dict[str, str]:
    """NATS/1.0 headers; of a repeated one the first, which is the publisher's own."""
    headers: dict[str, str] = {}
    for line in block.decode("utf-8", "surrogateescape").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip(), value.strip())
    return headers
