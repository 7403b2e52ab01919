"""Is the service in this container at work? Exit code 0 or 1, and one line that says why. Used by the image's HEALTHCHECK.

The gateway is asked over HTTP. Every other service is known by its durable consumers: somebody waits for their next message,
or works on one. The broker is asked as the service itself, with nothing but the service's own permissions.
"""

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request

import nats
from nats.errors import Error as NatsError

from agentos.bus.settings import BrokerSettings
from agentos.contracts.channels import CHANNELS

ATTEMPTS = 8
"""Between two pulls nobody waits for a moment, so one look is not enough."""


async def unreported(_: Exception) -> None:
    """The client reports each attempt that failed; what counts is the outcome, and main says that in one line."""


async def at_work(service: str, settings: BrokerSettings) -> bool:
    """Whether one of the service's durable consumers has a pull waiting or a message in hand."""
    own = [(channel.stream, channel.consumer(service)) for channel in CHANNELS if service in channel.readers]
    client = await nats.connect(
        settings.servers,
        user=settings.user or service,
        password=settings.secret(),
        inbox_prefix=f"_INBOX_{service}.health".encode(),
        connect_timeout=2,
        allow_reconnect=False,
        error_cb=unreported,
    )
    try:
        for _ in range(ATTEMPTS):
            for stream, consumer in own:
                reply = await client.request(f"$JS.API.CONSUMER.INFO.{stream}.{consumer}", b"", timeout=2)
                info = json.loads(reply.data)
                if info.get("num_waiting", 0) > 0 or info.get("num_ack_pending", 0) > 0:
                    return True
            await asyncio.sleep(0.1)
    finally:
        await client.close()
    return False


def answers(url: str) -> bool:
    """Whether the gateway says that it is alive."""
    with urllib.request.urlopen(url, timeout=3) as response:  # noqa: S310 - the scheme is ours
        return response.status == 200


def main() -> int:
    """Check the service that ``AGENTOS_SERVICE`` names."""
    service = os.environ["AGENTOS_SERVICE"]
    try:
        if service == "gateway":
            well = answers(f"http://127.0.0.1:{os.environ.get('AGENTOS_GATEWAY_PORT', '8080')}/healthz")
        else:
            well = asyncio.run(asyncio.wait_for(at_work(service, BrokerSettings()), timeout=5))
    except (OSError, TimeoutError, urllib.error.URLError, NatsError) as fault:
        print(f"{service}: no answer: {type(fault).__name__} {fault}".rstrip(), file=sys.stderr)  # noqa: T201 - the container engine keeps what is printed
        return 1
    if not well:
        print(f"{service}: no pull waits and no message is in hand", file=sys.stderr)  # noqa: T201 - as above
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
