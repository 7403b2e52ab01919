"""Bring a broker to the state that the channel table describes. Needs the provisioner's credentials; idempotent."""

import asyncio
import json
from typing import Any

import nats
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from agentos.bus import topology
from agentos.bus.settings import BrokerSettings

log = structlog.get_logger(__name__)


async def provision(settings: BrokerSettings, *, replicas: int) -> None:
    """Create or update every stream, bucket and durable consumer. Nothing is deleted.

    Raises RuntimeError with the broker's reason when something stands that cannot be brought to the described state.
    """
    client = await _connect(settings)
    try:
        for stream in topology.streams(replicas):
            await _stream(client, stream)
        await asyncio.gather(*(_consumer(client, consumer) for consumer in topology.consumers()))
    finally:
        await client.close()


async def idle_consumers(settings: BrokerSettings) -> list[str]:
    """The durable consumers that no service pulls from right now. Empty means: every service is at work."""
    client = await _connect(settings)
    try:
        wanted = topology.consumers()
        infos = await asyncio.gather(*(_api(client, f"CONSUMER.INFO.{each.stream}.{each.name}", {}) for each in wanted))
        return [each.name for each, info in zip(wanted, infos, strict=True) if not info.get("num_waiting")]
    finally:
        await client.close()


async def _connect(settings: BrokerSettings) -> Client:
    return await nats.connect(
        settings.servers,
        user=settings.user or topology.PROVISIONER,
        password=settings.secret(),
        inbox_prefix=b"_INBOX_provisioner",
        connect_timeout=5,
        max_reconnect_attempts=10,
    )


async def _stream(client: Client, config: dict[str, Any]) -> None:
    answer = await _api(client, f"STREAM.CREATE.{config['name']}", config)
    if answer.get("error", {}).get("err_code") == 10058:  # the name is in use with another configuration
        answer = await _api(client, f"STREAM.UPDATE.{config['name']}", config)
    if "error" in answer:
        raise RuntimeError(f"stream {config['name']}: {answer['error']['description']}")


async def _consumer(client: Client, consumer: topology.Consumer) -> None:
    body = {"stream_name": consumer.stream, "config": consumer.config(), "action": ""}
    answer = await _api(client, f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}.{consumer.filter}", body)
    if "error" in answer:
        raise RuntimeError(f"consumer {consumer.name}: {answer['error']['description']}")


async def _api(client: Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
    """One JetStream API request; a cluster that still elects its leader is asked again for up to 30 seconds."""
    for _ in range(60):
        try:
            reply = await client.request(f"$JS.API.{what}", json.dumps(body).encode(), timeout=5)
        except (NatsError, TimeoutError) as fault:
            log.info("provisioning_waits", what=what, fault=str(fault)[:200])
        else:
            answer: dict[str, Any] = json.loads(reply.data)
            if answer.get("error", {}).get("code") != 503:
                return answer
            log.info("provisioning_waits", what=what, fault=answer["error"]["description"])
        await asyncio.sleep(0.5)
    raise RuntimeError(f"the broker did not answer {what} within 30 s")
