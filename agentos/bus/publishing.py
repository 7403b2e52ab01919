"""Publishing with the stream's acknowledgement, and what a refusal means.

nats-py's own way costs three times the processor time of the message that it sends: a random name, a task's worth of timer and two futures
for each, and a data class for each answer. Here the answers of a connection come to one inbox and are told apart by a number.
"""

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from agentos.contracts.errors import Conflict, Forbidden, NeverRetry, RetryLater
from agentos.contracts.ids import new_id

TAKEN = (10071, 10164, 10077)
"""JetStream's codes for "perhaps taken": a wrong expected sequence on one replica and on several, and a subject that holds its one
message (which comes as a 503). Matched by code, never by class."""

PUBLISH_TIMEOUT_S = 2.0
PUBLISH_TRIES = 5
_NO_STREAM = "503"
"""The broker's status where no stream takes the subject, or none that has a leader."""


class Publishing:
    """Of one connection. ``start`` once it stands."""

    def __init__(self, client: Client, service: str) -> None:
        self._client, self._service = client, service
        self._inbox = f"_INBOX_{service}.{new_id()}"
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[Msg | None]] = {}
        self._violations: set[str] = set()

    async def start(self) -> None:
        """Listen for acknowledgements."""
        await self._client.subscribe(f"{self._inbox}.*", cb=self._answered, pending_bytes_limit=0)

    def note_violation(self, subject: str) -> None:
        """The broker refused a publication by this service's rights; it names the subject in lower case."""
        if len(self._violations) > 1_000:
            self._violations.clear()
        self._violations.add(subject)

    async def publish(
        self, subject: str, body: bytes, headers: Mapping[str, str], tries: int = PUBLISH_TRIES
    ) -> tuple[int, bool]:
        """Publish until acknowledged: the sequence, and whether it was stored before.

        A time-out does not mean "not stored", so the same message is sent again. Raises Conflict, Forbidden, NeverRetry for a body that is
        too large, and RetryLater when the broker does not answer.
        """
        sent = dict(headers)
        for attempt in range(tries):
            if attempt:
                await asyncio.sleep(min(0.1 * 2 ** (attempt - 1), 1.0))
            try:
                answer = await self._ask(subject, body, sent)
            except MaxPayloadError:
                raise NeverRetry(f"{len(body)} bytes are more than the broker takes in one message", code="too_large") from None
            except NatsError:
                answer = None
            if answer is None:
                if subject.lower() in self._violations:
                    self._violations.discard(subject.lower())
                    raise Forbidden(
                        f"{self._service} may not publish {subject}; the channel table names the one service that may"
                    )
                continue
            error: dict[str, Any] | None = answer.get("error")
            if error is None:
                return int(answer["seq"]), bool(answer.get("duplicate"))
            code, status, said = error.get("err_code"), error.get("code"), error.get("description")
            if code in TAKEN:
                raise Conflict(f"{subject}: {said}")
            if status is not None and status < 500:
                raise Forbidden(f"the stream refused {subject}: {said}", err_code=code)
        raise RetryLater(f"the broker did not acknowledge {subject}", code="broker_unavailable")

    async def _ask(self, subject: str, body: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
        """The stream's answer, or None where none came in time, or there is no stream."""
        loop = asyncio.get_running_loop()
        number = str(next(self._numbers))
        answered = self._waiting[number] = loop.create_future()
        late = loop.call_later(PUBLISH_TIMEOUT_S, _give_up, answered)
        try:
            await self._client.publish(subject, body, reply=f"{self._inbox}.{number}", headers=headers)
            message = await answered
        finally:
            late.cancel()
            del self._waiting[number]
        if message is None or (message.headers and message.headers.get("Status") == _NO_STREAM):
            return None
        answer: dict[str, Any] = json.loads(message.data)
        return answer

    async def _answered(self, message: Msg) -> None:
        waiting = self._waiting.get(message.subject.rpartition(".")[2])
        if waiting is not None and not waiting.done():
            waiting.set_result(message)


def _give_up(answered: "asyncio.Future[Msg | None]") -> None:
    if not answered.done():
        answered.set_result(None)
