"""What must hold of the channel table whatever rows it gets."""

from itertools import combinations

import pytest

from agentos.bus import topology
from agentos.contracts.base import Contract
from agentos.contracts.buckets import BUCKETS
from agentos.contracts.channel import Channel
from agentos.contracts.channels import BY_NAME, CHANNELS, channel_for
from agentos.contracts.ids import is_token
from agentos.contracts.services import SERVICES
from agentos.contracts.subjects import matches

ROWS = pytest.mark.parametrize("channel", CHANNELS, ids=lambda c: c.name)


def example(channel: Channel) -> str:
    return channel.pattern.replace("*", "x1")


def overlap(one: str, other: str) -> bool:
    left, right = one.split("."), other.split(".")
    return len(left) == len(right) and all(a == b or "*" in (a, b) for a, b in zip(left, right, strict=True))


def test_names_and_patterns_are_unique() -> None:
    assert len(BY_NAME) == len(CHANNELS)
    assert len({channel.pattern for channel in CHANNELS}) == len(CHANNELS)
    assert len({bucket.name for bucket in BUCKETS}) == len(BUCKETS)


def test_no_two_rows_cover_one_subject() -> None:
    assert [(a.name, b.name) for a, b in combinations(CHANNELS, 2) if overlap(a.pattern, b.pattern)] == []


@ROWS
def test_a_subject_finds_its_row(channel: Channel) -> None:
    assert channel_for(example(channel)) is channel


@pytest.mark.parametrize("subject", ["", "evt", "evt.t.task.x.unheard_of", "cmd.gates.engage", "cmd.gates.engage.x.y", "tok.x"])
def test_a_subject_of_nobody_is_a_lookup_error_that_names_the_table(subject: str) -> None:
    with pytest.raises(LookupError, match=r"channels\.py"):
        channel_for(subject)


@ROWS
def test_the_publisher_is_one_service_or_the_broker_itself(channel: Channel) -> None:
    assert channel.publisher in SERVICES or (channel.publisher == "broker" and channel.kind == "timer")


@ROWS
def test_every_reader_is_a_service_named_once(channel: Channel) -> None:
    assert set(channel.readers) | set(channel.tails) <= set(SERVICES)
    assert len(set(channel.readers)) == len(channel.readers)


@ROWS
def test_the_payload_is_a_frozen_documented_contract_that_refuses_unknown_fields(channel: Channel) -> None:
    assert issubclass(channel.payload, Contract)
    assert channel.payload.__doc__
    assert channel.payload.__doc__ != Contract.__doc__
    assert channel.payload.model_config.get("frozen") is True
    assert channel.payload.model_config.get("extra") == "forbid"
    assert channel.doc.endswith(".")


@ROWS
def test_a_command_query_work_item_and_due_timer_has_a_reader(channel: Channel) -> None:
    if channel.kind in ("command", "query", "work") or channel.name.endswith("-due"):
        assert len(channel.readers) == 1


def test_consumers_of_one_work_queue_never_overlap() -> None:
    queues = {stream["name"] for stream in topology.streams(1) if stream.get("retention") == "workqueue"}
    consumers = [consumer for consumer in topology.consumers() if consumer.stream in queues]
    assert [
        (a.name, b.name) for a, b in combinations(consumers, 2) if a.stream == b.stream and overlap(a.filter, b.filter)
    ] == []


def test_every_row_is_kept_by_exactly_one_stream_and_it_is_the_rows_own() -> None:
    streams = topology.streams(1)
    for channel in CHANNELS:
        keeping = [s["name"] for s in streams if any(matches(p, example(channel)) for p in s["subjects"])]
        assert keeping == [channel.stream]


def test_durable_names_are_unique_and_can_stand_in_a_subject() -> None:
    names = [(consumer.stream, consumer.name) for consumer in topology.consumers()]
    assert len(set(names)) == len(names)
    assert all(is_token(name) for _, name in names)


@pytest.mark.parametrize("bucket", BUCKETS, ids=lambda b: b.name)
def test_a_bucket_is_written_and_read_by_services_and_says_what_it_is_for(bucket: object) -> None:
    found = next(b for b in BUCKETS if b is bucket)
    assert found.writers
    assert set(found.writers) | set(found.readers) <= set(SERVICES)
    assert found.doc.endswith(".")


def test_a_reader_of_an_event_is_not_a_reader_of_the_stream_by_accident() -> None:
    """A live follower of a row may tail its stream; a service that follows nothing on a stream may not."""
    for service in SERVICES:
        allowed = topology.permissions(service)["publish"]
        for stream in ("COMMANDS", "WORK", "TIMERS", "QUERIES"):
            assert f"$JS.API.CONSUMER.CREATE.{stream}.*" not in allowed
