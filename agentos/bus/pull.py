"""One long-lived pull on a durable consumer: the broker may hand out as many messages as there are free hands, before it is asked.

nats-py's ``fetch`` is a request and an answer for each message or batch, and hides a deleted consumer as "no messages". Here
requests stand at the broker for long, are renewed when half of what may come has come, and show a sign of life while nothing
comes. A broker that lost them (a killed leader, a deleted consumer) is noticed by its silence or by what it says.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from agentos.contracts.ids import new_id

log = structlog.get_logger(__name__)

EXPIRES_S = 30
"""How long one request stands."""

HEARTBEAT_S = 1.0
LOOK_EVERY_S = 0.25
SILENT_LOOKS = 10
"""After so many looks without a sign of life requests count as lost. Looks are counted, not time: a loop that stalled has not
looked, and what arrived in the meantime is still to be read."""

STOP_WITHIN_S = 2.0


class Pull:
    """Made for one durable consumer. ``take`` gets each message; ``free`` says how many more may be in our hands.

    After a loss some requests may stand twice, so more can arrive than ``free`` allowed: the taker keeps what is too many.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        consumer: str,
        inbox: str,
        free: Callable[[], int],
        take: Callable[[Msg], Awaitable[None]],
    ) -> None:
        """``inbox`` is the prefix that the service may subscribe."""
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._consumer = consumer
        self._inbox = f"{inbox}.{new_id()}"
        self._free = free
        self._take = take
        self._asked = 0
        """How many messages the broker may still send."""
        self._silent = 0
        self._connection = -1
        self._stopping = False
        self._subscription: Subscription | None = None
        self.doubtful = False
        """The broker ended a request otherwise than by time, or is silent: look after the consumer, then ``renew``."""

    async def start(self) -> None:
        """Subscribe and ask. Raises nats.errors.Error when the connection is closed."""
        # Slow consumers are ours to prevent: no more than was asked for arrives.
        self._subscription = await self._client.subscribe(self._inbox, cb=self._arrive, pending_bytes_limit=0)
        await self.renew()

    async def renew(self) -> None:
        """Forget what was asked, and ask."""
        self.doubtful = False
        self._silent = self._asked = 0
        self._connection = self._reconnects()
        await self.ask()

    async def ask(self) -> None:
        """Ask for as many as are free, once half of them or more are not asked for."""
        free = self._free()
        if self._stopping or self.doubtful or free <= 0 or self._asked > free // 2 or not self._client.is_connected:
            return
        batch, self._asked = free - self._asked, free
        body = b'{"batch":%d,"expires":%d,"idle_heartbeat":%d}' % (batch, EXPIRES_S * 10**9, int(HEARTBEAT_S * 10**9))
        try:
            await self._client.publish(self._subject, body, reply=self._inbox)
        except NatsError as fault:
            self.doubtful = True
            log.info("pull_not_sent", consumer=self._consumer, fault=str(fault)[:200])

    def look(self) -> bool:
        """Called every LOOK_EVERY_S while connected: whether the requests have to be renewed."""
        if self._connection != self._reconnects():
            return True
        if self._asked:
            self._silent += 1
            self.doubtful = self.doubtful or self._silent > SILENT_LOOKS
        return self.doubtful

    async def stop(self) -> None:
        """Take the requests back; what had been sent by then is still given to ``take``."""
        self._stopping = True
        subscription, self._subscription = self._subscription, None
        if subscription is None or self._client.is_closed or self._client.is_draining:
            return
        try:
            if self._client.is_connected:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await subscription.drain()
            else:
                await subscription.unsubscribe()
        except (NatsError, TimeoutError) as fault:
            # The connection goes with the requests; what was on its way comes again elsewhere.
            log.info("pull_not_ended", consumer=self._consumer, fault=str(fault)[:200])

    def _reconnects(self) -> int:
        return int(self._client.stats["reconnects"])

    async def _arrive(self, message: Msg) -> None:
        self._silent = 0
        if message.reply:
            self._asked = max(0, self._asked - 1)
            await self._take(message)
        else:
            self._note_status(message.headers or {})
        await self.ask()

    def _note_status(self, headers: dict[str, str]) -> None:
        status = headers.get("Status")
        if status == "100":
            return
        unserved = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(unserved)) if unserved is not None else 0
        if status != "408":
            # Deleted, a new leader, a server going down, nobody there: asking again at once would be answered the same.
            self.doubtful = True
            log.info("pull_ended", consumer=self._consumer, status=status, description=headers.get("Description"))
