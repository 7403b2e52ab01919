"""One long-lived pull on a durable consumer: the broker may hand out as many messages as there are free hands, before it is asked.

nats-py's ``fetch`` is a request and an answer for each message or batch, and hides a deleted consumer as "no messages". Here
requests stand at the broker for long, are renewed when half of what may come has come, and show a sign of life while nothing
comes. A broker that lost them (a killed leader, a deleted consumer) is noticed by its silence or by what it says.
"""

from collections.abc import Awaitable, Callable

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from agentos.contracts.ids import new_id

log = structlog.get_logger(__name__)

EXPIRES_S = 30
"""How long one request stands."""

HEARTBEAT_S = 2.0
LOOK_EVERY_S = 0.25
SILENT_LOOKS = 20
"""After so many looks without a sign of life requests count as lost. Looks are counted, not time: a loop that stalled has not
looked, and what arrived in the meantime is still to be read."""


class Pull:
    """Made for one durable consumer. ``take`` gets each message; ``free`` says how many more may be in our hands.

    After a loss some requests may stand twice, so more can arrive than ``free`` allowed: the taker keeps what is too many.
    """

    def __init__(
        self,
        stream: str,
        consumer: str,
        inbox: str,
        free: Callable[[], int],
        take: Callable[[Msg], Awaitable[None]],
    ) -> None:
        """``inbox`` is the prefix that the service may subscribe."""
        self._client: Client | None = None
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._consumer = consumer
        self.inbox = f"{inbox}.{new_id()}"
        """Where the messages come to: whoever subscribes it passes them to ``arrive``."""
        self._free = free
        self._take = take
        self._asked = 0
        """How many messages the broker may still send."""
        self._silent = 0
        self._connection = -1
        self._stopping = False
        self.doubtful = False
        """The broker ended a request otherwise than by time, or is silent: look after the consumer, then ``renew``."""

    async def start(self, client: Client) -> None:
        """Ask, once the inbox is subscribed."""
        self._client = client
        await self.renew()

    async def renew(self) -> None:
        """Forget what was asked, and ask."""
        self.doubtful = False
        self._silent = self._asked = 0
        self._connection = self._reconnects()
        await self.ask()

    async def ask(self) -> None:
        """Ask for as many as are free, once half of them or more are not asked for."""
        free, client = self._free(), self._client
        if client is None or not client.is_connected or self._stopping or self.doubtful or free <= 0 or self._asked > free // 2:
            return
        batch, self._asked = free - self._asked, free
        body = b'{"batch":%d,"expires":%d,"idle_heartbeat":%d}' % (batch, EXPIRES_S * 10**9, int(HEARTBEAT_S * 10**9))
        try:
            await client.publish(self._subject, body, reply=self.inbox)
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

    def stop(self) -> None:
        """Ask no more. What was asked for ends with the subscription; what comes until then is still given to ``take``."""
        self._stopping = True

    def _reconnects(self) -> int:
        return int(self._client.stats["reconnects"]) if self._client is not None else 0

    async def arrive(self, message: Msg) -> None:
        """A message of the durable, or the broker's word on a request."""
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
