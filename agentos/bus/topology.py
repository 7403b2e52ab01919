"""What the broker must hold, derived from the channel table: streams, durable consumers, buckets, users and permissions.

Pure: no connection is made here. ``provision`` applies it; ``agentos.bus.generate`` writes the committed copies.
"""

import json
from dataclasses import dataclass
from typing import Any

from agentos.contracts.buckets import BUCKETS, Bucket
from agentos.contracts.channel import Channel
from agentos.contracts.channels import BY_NAME, CHANNELS
from agentos.contracts.services import SERVICES

ACK_WAIT_S = 3
"""How soon another instance takes over what a crashed one held; handlers that take longer report progress (``consume``)."""

MAX_DELIVERIES = 120
"""The broker's backstop against a message that crashes its consumer; the bus dead-letters well before."""

RETRIES = "deadletter.settled"
"""The channel that every service with dead letters reads, without a handler of its own: the bus tries the message again."""

PROVISIONER = "provisioner"
"""The broker user that may create streams and consumers. No service has it."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer: one service reading one channel."""

    stream: str
    name: str
    filter: str

    def config(self) -> dict[str, Any]:
        """The configuration as the JetStream API takes it (durations in nanoseconds)."""
        return {
            "durable_name": self.name,
            "name": self.name,
            "filter_subject": self.filter,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "replay_policy": "instant",
            "ack_wait": ACK_WAIT_S * 1_000_000_000,
            "max_deliver": MAX_DELIVERIES,
            "max_ack_pending": 20_000,
            "max_waiting": 512,
        }


def streams(replicas: int) -> list[dict[str, Any]]:
    """Every stream's configuration, buckets included, as the JetStream API takes it."""
    base: dict[str, Any] = {"storage": "file", "num_replicas": replicas, "discard": "old", "max_msg_size": 1_048_576}
    minute = 60_000_000_000
    found: list[dict[str, Any]] = [
        {
            **base,
            "name": "EVENTS",
            "subjects": ["evt.>"],
            "retention": "limits",
            "deny_delete": True,
            "deny_purge": True,
            "compression": "s2",
            # One subject, one message, whatever headers a publisher sends or forgets: the stream itself refuses the second.
            "max_msgs_per_subject": 1,
            "discard": "new",
            "discard_new_per_subject": True,
        },
        {**base, "name": "COMMANDS", "subjects": ["cmd.>"], "retention": "workqueue", "duplicate_window": 2 * minute},
        {**base, "name": "WORK", "subjects": ["work.>"], "retention": "workqueue", "duplicate_window": 2 * minute},
        # A query that nobody answered within a minute has no one waiting for it. On disk all the same: a server that is alone
        # forgets its memory streams when it crashes, and nobody but the provisioner could make them again.
        {**base, "name": "QUERIES", "subjects": ["qry.>"], "retention": "workqueue", "max_age": minute},
        {**base, "name": "ANSWERS", "subjects": ["ans.>"], "retention": "limits", "max_age": minute},
        # Previews of answers: whoever comes later than this reads the settlement. On disk for the reason given above.
        {**base, "name": "TOKENS", "subjects": ["tok.>"], "retention": "limits", "max_age": 2 * minute},
        # On its own: allow_msg_schedules clears deny_purge. No MaxAge: one shorter than a delay would drop the schedule silently.
        {
            **base,
            "name": "TIMERS",
            "subjects": ["timer.>"],
            "retention": "limits",
            "allow_msg_schedules": True,
            "allow_msg_ttl": True,
        },
        # The advisories are the broker's own word on messages that reached their delivery limit or were terminated.
        {
            **base,
            "name": "DLQ",
            "subjects": [
                "dlq.>",
                "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
                "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
            ],
            "retention": "limits",
        },
    ]
    return found + [_bucket_stream(bucket, replicas) for bucket in BUCKETS]


def _bucket_stream(bucket: Bucket, replicas: int) -> dict[str, Any]:
    shared = {
        "storage": "file",
        "num_replicas": replicas,
        "discard": "new",
        "max_age": bucket.max_age_s * 1_000_000_000,
        "allow_rollup_hdrs": True,
    }
    return {
        **shared,
        "name": f"KV_{bucket.name}",
        "subjects": [f"$KV.{bucket.name}.>"],
        "max_msgs_per_subject": bucket.history,
        "discard_new_per_subject": bucket.history > 1,
        "deny_delete": not bucket.erasers,
    }


def consumers() -> list[Consumer]:
    """Every durable consumer."""
    return [Consumer(c.stream, c.consumer(service), c.pattern) for c in CHANNELS for service in c.readers]


def tail_filters(service: str) -> tuple[str, ...]:
    """What each instance of ``service`` follows live on EVENTS."""
    return tuple(c.pattern for c in CHANNELS if service in c.tails and c.kind == "event")


def publishes(service: str) -> list[str]:
    """The application subjects that ``service`` may publish."""
    return [c.pattern for c in CHANNELS if c.publisher == service]


def _readable_streams(service: str) -> list[str]:
    found: list[str] = []
    for channel in CHANNELS:
        if service in channel.tails and channel.stream not in found:
            found.append(channel.stream)
    if service in ("gateway", "gates", "ledger") and "EVENTS" not in found:
        found.append("EVENTS")
    if service == "ledger":
        found.append("DLQ")
    return found + [f"KV_{bucket.name}" for bucket in BUCKETS if service in bucket.readers]


def permissions(service: str) -> dict[str, list[str]]:
    """What the broker lets ``service`` publish and subscribe: its own rows of the table, and the JetStream API that they need.

    Streams, durable consumers of others and administration are out of reach. A durable consumer of its own may be created
    again (the filter is part of the subject, and the broker checks that it is the same), so that a deleted one mends itself.
    """
    allow = publishes(service)
    for channel in CHANNELS:
        if service in channel.readers:
            stream, name = channel.stream, channel.consumer(service)
            allow += [
                f"$JS.API.CONSUMER.INFO.{stream}.{name}",
                f"$JS.API.CONSUMER.CREATE.{stream}.{name}.{channel.pattern}",
                f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}",
                f"$JS.ACK.{stream}.{name}.>",
                # 2.15 may write the acknowledgement subject with domain and account hash first.
                f"$JS.ACK.*.*.{stream}.{name}.>",
            ]
    for channel in CHANNELS:
        if service in channel.auditors:
            # How far the readers have come, and what lies on a queue: looking changes nothing.
            allow += [f"$JS.API.CONSUMER.INFO.{channel.stream}.{channel.consumer(reader)}" for reader in channel.readers]
            allow.append(f"$JS.API.STREAM.MSG.GET.{channel.stream}")
    # Every service may read every fact; raw payloads are sealed, so reading shows facts, not personal data.
    allow += ["$JS.API.STREAM.MSG.GET.EVENTS", "$JS.API.STREAM.INFO.EVENTS"]
    if service == "gateway" or service in BY_NAME[RETRIES].readers:
        # A dead letter is tried again by whoever buried it, from what it wrote itself; the gateway shows it.
        allow.append("$JS.API.STREAM.MSG.GET.DLQ")
    # Flow control of live tails: the reply slows the broker down to our pace.
    allow.append("$JS.FC.>")
    for stream in _readable_streams(service):
        # A live tail is an ephemeral consumer of this instance's own; its filters are in the request.
        allow += [f"$JS.API.CONSUMER.CREATE.{stream}.*", f"$JS.API.CONSUMER.DELETE.{stream}.*", f"$JS.API.STREAM.INFO.{stream}"]
    for bucket in BUCKETS:
        allow += _bucket_permissions(bucket, service)
    return {"publish": list(dict.fromkeys(allow)), "deny": _others_durables(service), "subscribe": [f"_INBOX_{service}.>"]}


def _others_durables(service: str) -> list[str]:
    """What the right to make a tail on a stream would also give: to change or delete the durables that stand there."""
    readable = _readable_streams(service)
    own = {channel.consumer(service) for channel in CHANNELS if service in channel.readers}
    deny: list[str] = []
    for consumer in consumers():
        if consumer.stream in readable and consumer.name not in own:
            deny += [
                f"$JS.API.CONSUMER.CREATE.{consumer.stream}.{consumer.name}",
                f"$JS.API.CONSUMER.DELETE.{consumer.stream}.{consumer.name}",
            ]
    return deny


def _bucket_permissions(bucket: Bucket, service: str) -> list[str]:
    allow: list[str] = []
    stream = f"KV_{bucket.name}"
    if service in bucket.readers:
        allow.append(f"$JS.API.STREAM.MSG.GET.{stream}")
    if service in bucket.writers:
        allow.append(f"$KV.{bucket.name}.>")
    if service in bucket.erasers:
        allow.append(f"$JS.API.STREAM.MSG.DELETE.{stream}")
    return allow


def authorization_conf() -> str:
    """The broker's users as nats-server configuration. Passwords come from the server's environment and are in no file.

    ``NATS_<SERVICE>_PASSWORD`` for each service and ``NATS_PROVISIONER_PASSWORD``.
    """
    lines = [
        "# Generated from agentos/contracts/channels.py and buckets.py by `make generate`; do not edit.",
        "# One user a service, least privilege. Passwords come from the server's environment.",
        "authorization {",
        "  users = [",
        "    {",
        f"      user: {PROVISIONER}",
        "      password: $NATS_PROVISIONER_PASSWORD",
        '      permissions: { publish: { allow: ["$JS.API.>"] }, subscribe: { allow: ["_INBOX_provisioner.>"] } }',
        "    }",
    ]
    for service in SERVICES:
        rights = permissions(service)
        lines += [
            "    {",
            f"      user: {service}",
            f"      password: $NATS_{service.upper()}_PASSWORD",
            "      permissions: {",
            "        publish: {",
            "          allow: [",
            *(f"            {json.dumps(subject)}" for subject in rights["publish"]),
            "          ]",
            *(
                ["          deny: [", *(f"            {json.dumps(subject)}" for subject in rights["deny"]), "          ]"]
                if rights["deny"]
                else []
            ),
            "        }",
            f"        subscribe: {{ allow: {json.dumps(rights['subscribe'])} }}",
            "      }",
            "    }",
        ]
    return "\n".join([*lines, "  ]", "}", ""])


def readers_of(channel: Channel) -> tuple[str, ...]:
    """Everyone who reads a channel: durable readers, live tails, and the ledger and gateway, which follow all events."""
    extra = ("ledger", "gateway") if channel.kind == "event" else ()
    return tuple(dict.fromkeys((*channel.readers, *channel.tails, *extra)))
