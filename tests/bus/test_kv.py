"""Buckets: revisions guard writers against each other, watchers see what is and then what changes."""

import asyncio
import signal
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.bus import Entry, KeyValue
from agentos.bus.kv import is_key
from agentos.bus.publishing import PUBLISH_TIMEOUT_S
from agentos.bus.topology import streams
from agentos.contracts.errors import Conflict, Forbidden
from agentos.ending import end
from tests.bus.conftest import Site, in_a_cluster, on_one_server


async def bucket(site: Site, service: str = "orchestrator", name: str = "dependents") -> KeyValue:
    return (await site.connect(service)).bucket(name)


async def test_what_is_put_is_got_with_its_revision_and_time(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    before = datetime.now(UTC)
    revision = await kv.put(f"{tenant}.a", b"\x00\xff")
    entry = await kv.get(f"{tenant}.a")
    assert entry is not None
    assert (entry.key, entry.value, entry.revision) == (f"{tenant}.a", b"\x00\xff", revision)
    assert abs((entry.created - before).total_seconds()) < 60
    assert await kv.get(f"{tenant}.b") is None


async def test_an_empty_value_is_a_value(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    await kv.put(f"{tenant}.a", b"")
    entry = await kv.get(f"{tenant}.a")
    assert entry is not None
    assert entry.value == b""


async def test_create_is_for_one_and_possible_again_after_a_delete(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    await kv.create(f"{tenant}.a", b"1")
    with pytest.raises(Conflict):
        await kv.create(f"{tenant}.a", b"2")
    await kv.delete(f"{tenant}.a")
    assert await kv.get(f"{tenant}.a") is None
    await kv.create(f"{tenant}.a", b"3")
    entry = await kv.get(f"{tenant}.a")
    assert entry is not None
    assert entry.value == b"3"


@in_a_cluster
async def test_a_write_that_is_on_its_way_to_the_other_replicas_is_waited_for_and_is_no_conflict(
    site: Site, tenant: str
) -> None:
    """The leader refuses the second attempt, while nobody can read the first."""
    leader = await site.leader("KV_dependents")
    settings = site.settings("orchestrator").model_copy(update={"url": leader.url})
    kv = (await site.connect("orchestrator", settings)).bucket("dependents")
    changed = await kv.put(f"{tenant}.changed", b"1")
    followers = [server.process for server in site.servers if server is not leader]
    try:
        for process in followers:
            assert process is not None
            process.send_signal(signal.SIGSTOP)
        writing = [
            asyncio.create_task(kv.create(f"{tenant}.new", b"1")),
            asyncio.create_task(kv.update(f"{tenant}.changed", b"2", changed)),
        ]
        await asyncio.sleep(PUBLISH_TIMEOUT_S * 1.5)  # the first attempts are given up
        second = asyncio.create_task(kv.create(f"{tenant}.new", b"2"))
        await asyncio.sleep(0.2)
    finally:
        for process in followers:
            assert process is not None
            process.send_signal(signal.SIGCONT)
    made, updated = await asyncio.gather(*writing)
    with pytest.raises(Conflict):
        await second
    entries = [await kv.get(f"{tenant}.{key}") for key in ("new", "changed")]
    assert [entry and (entry.value, entry.revision) for entry in entries] == [(b"1", made), (b"2", updated)]


async def test_of_concurrent_creators_exactly_one_succeeds_also_after_a_delete(site: Site, tenant: str) -> None:
    one, other = await bucket(site), await bucket(site)
    for _ in range(3):
        results = await asyncio.gather(
            *(kv.create(f"{tenant}.a", b"x") for kv in (one, other, one, other)), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "Conflict", "Conflict", "int"]
        await one.delete(f"{tenant}.a")


async def test_update_holds_only_for_the_revision_that_was_read(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    first = await kv.put(f"{tenant}.a", b"1")
    second = await kv.update(f"{tenant}.a", b"2", first)
    with pytest.raises(Conflict):
        await kv.update(f"{tenant}.a", b"3", first)
    entry = await kv.get(f"{tenant}.a")
    assert entry is not None
    assert (entry.value, entry.revision) == (b"2", second)


async def test_a_delete_at_a_revision_holds_only_for_the_revision_that_was_read(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    first = await kv.put(f"{tenant}.a", b"1")
    second = await kv.put(f"{tenant}.a", b"2")
    with pytest.raises(Conflict):
        await kv.delete(f"{tenant}.a", first)
    await kv.delete(f"{tenant}.a", second)
    assert await kv.get(f"{tenant}.a") is None


async def test_keys_and_entries_are_the_live_ones_under_a_prefix(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    for key in ("a.1", "a.2", "b.1"):
        await kv.put(f"{tenant}.{key}", key.encode())
    await kv.delete(f"{tenant}.a.1")
    assert await kv.keys(f"{tenant}.a.") == [f"{tenant}.a.2"]
    assert sorted(await kv.keys(f"{tenant}.")) == [f"{tenant}.a.2", f"{tenant}.b.1"]
    assert [entry.value for entry in await kv.entries(f"{tenant}.b.")] == [b"b.1"]
    assert await kv.keys(f"{tenant}.nothing.") == []


async def test_a_watcher_sees_what_is_then_none_once_then_what_changes(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    await kv.put(f"{tenant}.a", b"1")
    await kv.put(f"{tenant}.a", b"2")
    async with aclosing(kv.watch(f"{tenant}.")) as entries:
        first = await anext(entries)
        assert first is not None
        assert (first.key, first.value) == (f"{tenant}.a", b"2")
        assert await anext(entries) is None
        await kv.put(f"{tenant}.b", b"3")
        await kv.delete(f"{tenant}.a")
        changes = [await anext(entries), await anext(entries)]
    assert [(e.key, e.value) for e in changes if e is not None] == [(f"{tenant}.b", b"3"), (f"{tenant}.a", None)]


async def test_a_watcher_of_nothing_is_told_so_at_once(site: Site, tenant: str) -> None:
    kv = await bucket(site)
    async with aclosing(kv.watch(f"{tenant}.")) as entries:
        assert await asyncio.wait_for(anext(entries), 120) is None
        await kv.put(f"{tenant}.a", b"1")
        entry = await asyncio.wait_for(anext(entries), 120)
    assert entry is not None
    assert entry.value == b"1"


async def test_an_entirely_empty_bucket_is_told_so_as_well(site: Site) -> None:
    kv = await bucket(site, "gateway", "apikeys")
    async with aclosing(kv.watch()) as entries:
        assert await asyncio.wait_for(anext(entries), 120) is None


@on_one_server
async def test_a_watcher_goes_on_across_a_killed_server_and_marks_the_initial_state_once(site: Site, tenant: str) -> None:
    kv, seen, done = await bucket(site), list[Entry | None](), asyncio.Event()
    await kv.put(f"{tenant}.a", b"1")

    async def watch() -> None:
        async with aclosing(kv.watch(f"{tenant}.")) as entries:
            async for entry in entries:
                seen.append(entry)
                if entry is not None and entry.value == b"2":
                    done.set()

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(120):
        while None not in seen:
            await asyncio.sleep(0.02)
    index = site.serving(site.buses[0])
    await site.kill(index)
    await asyncio.sleep(0.2)
    await site.start(index)
    async with asyncio.timeout(120):
        await kv.put(f"{tenant}.a", b"2")
        await done.wait()
    await end(watching)
    assert [None if entry is None else entry.value for entry in seen] == [b"1", None, b"2"]


async def test_a_bucket_whose_entries_must_be_renewed_has_their_age(site: Site, tenant: str) -> None:
    ages = {stream["name"]: stream.get("max_age", 0) for stream in streams(site.replicas)}
    assert ages["KV_presence"] == 15_000_000_000
    assert ages["KV_idempotency"] == 86_400_000_000_000
    assert ages["KV_kill"] == 0
    runner, router = await bucket(site, "runner", "presence"), await bucket(site, "router", "presence")
    await runner.put(f"{tenant}.i1", b"here")
    assert await router.keys(f"{tenant}.") == [f"{tenant}.i1"]


async def test_writing_another_services_bucket_is_forbidden(site: Site, tenant: str) -> None:
    kv = await bucket(site, "policy", "kill")
    with pytest.raises(Forbidden, match="policy may not publish"):
        await kv.put(f"{tenant}.a", b"1")


@pytest.mark.parametrize("key", ["", ".", "a.", ".a", "a..b", "*", "a.*", ">", "a.>", "a b", "a\r\nPUB x 0", "ä"])
async def test_a_key_that_could_be_a_wildcard_or_another_subject_is_refused(site: Site, key: str) -> None:
    kv = await bucket(site)
    for attempt in (kv.get(key), kv.put(key, b""), kv.create(key, b""), kv.update(key, b"", 1), kv.delete(key)):
        with pytest.raises(ValueError, match="no key"):
            await attempt


@pytest.mark.parametrize("prefix", ["a", "*.", "a.>", ".", "a..", "ä."])
async def test_a_prefix_is_whole_tokens(site: Site, prefix: str) -> None:
    with pytest.raises(ValueError, match="no prefix"):
        await (await bucket(site)).keys(prefix)


@given(st.text())
def test_every_key_is_a_literal_subject(text: str) -> None:
    if is_key(text):
        assert not set(text) & set("*> \t\r\n\x00")
        assert all(text.split("."))


@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=5))
def test_tokens_with_dots_between_are_a_key(tokens: list[str]) -> None:
    assert is_key(".".join(tokens))
