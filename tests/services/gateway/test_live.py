"""The live feed over a real broker and a real socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SOL_SOCKET
from socket import socket as tcp_socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agentos.contracts.base import Principal, Sealed
from agentos.contracts.channels import CHANNELS
from agentos.contracts.events.kill import KillEngaged, KillReleased
from agentos.contracts.events.task import TaskSubmitted
from services.gateway.live import feed, topics
from services.gateway.live import socket as live_socket
from tests.services.gateway.conftest import Edge

OPERATOR = Principal(kind="api_key", id="olga", roles=("operator",))


@asynccontextmanager
async def told(edge: Edge, key: str | None = None, **hello: Any) -> AsyncGenerator[ClientConnection]:
    async with connect(edge.url.replace("http", "ws", 1) + "/api/v1/ws", max_size=None, ping_interval=None) as socket:
        await socket.send(json.dumps({"type": "hello", "token": key or edge.admin_key, **hello}))
        yield socket


async def frame(socket: ClientConnection, type_: str = "event") -> dict[str, Any]:
    """The next frame of a type."""
    async with asyncio.timeout(120):
        while True:
            said = json.loads(await socket.recv())
            if said["type"] == type_:
                return said


async def closed(socket: ClientConnection) -> int:
    """The code that it is closed with."""
    async with asyncio.timeout(120):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd is not None else 1006


async def submit(edge: Edge, task: str, tenant: str = "default", digest: str = "d") -> int:
    sealed = Sealed(key=task, purpose="task.input", nonce=bytes(12), ciphertext=b"never to be seen")
    fact = TaskSubmitted(type="triage", input=sealed, input_digest=digest, requester=OPERATOR, untrusted=True)
    done = await edge.backend.orchestrator.bus.append("task.submitted", task, fact, tenant=tenant, correlation_id=task)
    return done.seq


async def settle(edge: Edge, task: str, tenant: str = "default") -> None:
    await edge.backend.orchestrator.settle(task, tenant=tenant)


async def test_an_event_comes_as_it_is_stored_with_its_sealed_part_marked(edge: Edge) -> None:
    async with told(edge) as socket:
        welcome = await frame(socket, "welcome")
        seq = await submit(edge, "t1")
        said = await frame(socket)
    assert (said["position"], said["name"], said["event"]) == (seq, "task.submitted", "task.submitted")
    assert welcome["position"] < seq
    assert said["data"]["input"] == {"sealed": "task.input"}
    assert said["correlation_id"] == "t1"


async def test_a_client_that_comes_back_gets_what_it_missed_once_and_then_what_comes(edge: Edge) -> None:
    first = await submit(edge, "t1")
    for number in range(2, 6):
        await submit(edge, f"t{number}")
        await submit(edge, f"x{number}", "other")
    async with told(edge, since=first) as socket:
        await settle(edge, "t1")
        ids = [(await frame(socket))["subject"] for _ in range(5)]
    assert ids == [*(f"evt.default.task.t{number}.submitted" for number in range(2, 6)), "evt.default.task.t1.settled.1"]


async def test_nothing_is_lost_or_told_twice_while_clients_come_and_go(edge: Edge) -> None:
    since, seen = await submit(edge, "t0"), list[int]()

    async def write() -> None:
        for number in range(1, 200):
            await submit(edge, f"t{number}")

    writing = asyncio.create_task(write())
    while len(seen) < 199:
        async with told(edge, since=since) as socket:
            for _ in range(min(23, 199 - len(seen))):
                since = (await frame(socket))["position"]
                seen.append(since)
    await writing
    assert len(set(seen)) == 199
    assert seen == sorted(seen)


async def test_who_missed_too_much_is_told_of_the_gap(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_MISSED", 3)
    first = last = await submit(edge, "t0")
    for number in range(1, 6):
        last = await submit(edge, f"t{number}")
    async with told(edge, since=first) as socket:
        assert (await frame(socket, "gap"))["position"] >= last
        await submit(edge, "t9")
        assert (await frame(socket))["correlation_id"] == "t9", "it goes on from there"


async def test_a_position_that_this_stream_never_had_is_a_gap(edge: Edge) -> None:
    async with told(edge, since=10_000_000) as socket:
        assert (await frame(socket, "gap"))["position"] < 10_000_000


async def test_a_tenant_sees_its_own_events_and_switches_that_stop_everybody(edge: Edge) -> None:
    gates = edge.backend.gates.bus
    mine = await edge.key("viewer", tenant="mine")
    async with told(edge, mine) as socket:
        await frame(socket, "welcome")
        await submit(edge, "theirs")
        for scope, id_ in (("pack", "k1"), ("global", "k2")):
            fact = KillEngaged.model_validate({"scope": scope, "target": "*", "reason": "odd", "by": OPERATOR})
            await gates.append("kill.engaged", id_, fact, tenant="default")
        for id_ in ("k1", "k2"):
            await gates.append("kill.released", id_, KillReleased(reason="mended", by=OPERATOR), tenant="default")
        await submit(edge, "own", "mine")
        seen = [(await frame(socket))["subject"] for _ in range(3)]
    assert seen == ["evt.default.kill.k2.engaged", "evt.default.kill.k2.released", "evt.mine.task.own.submitted"]


async def test_only_what_the_roles_may_read_is_told(edge: Edge) -> None:
    viewer = await edge.key("viewer")
    async with told(edge, viewer) as socket:
        await frame(socket, "welcome")
        await edge.key("viewer")  # apikey.changed: for those who manage keys
        await submit(edge, "t1")
        assert (await frame(socket))["name"] == "task.submitted"


async def test_topics_choose_and_may_be_changed(edge: Edge) -> None:
    async with told(edge, topics=["approval.*"]) as socket:
        await frame(socket, "welcome")
        await submit(edge, "t1")
        await socket.send(json.dumps({"type": "topics", "topics": ["task.settled", "metrics.update"]}))
        await frame(socket, "metrics.update")
        await submit(edge, "t2")
        await settle(edge, "t2")
        assert (await frame(socket))["name"] == "task.settled"


async def test_the_figures_come_every_second_also_where_the_ledger_is_away(edge: Edge) -> None:
    edge.backend.ledger.silent = True
    async with told(edge) as socket:
        said = await frame(socket, "metrics.update")
    assert (said["figures"], said["live"]) == (None, True)


@pytest.mark.parametrize(
    "said",
    [{"type": "hello", "token": "aos_admin_" + "x" * 43}, {"type": "hello", "token": "eyJhbGciOiJub25lIn0.e30."}],
    ids=["unknown", "none"],
)
async def test_a_wrong_token_is_refused(edge: Edge, said: dict[str, Any]) -> None:
    async with connect(edge.url.replace("http", "ws", 1) + "/api/v1/ws") as socket:
        await socket.send(json.dumps(said))
        assert await closed(socket) == 4401


@pytest.mark.parametrize("said", ["{", '{"type":"pong"}', '{"type":"hello"}', '{"type":"hello","token":"x","topics":["a b"]}'])
async def test_whatever_is_no_hello_is_refused(edge: Edge, said: str) -> None:
    async with connect(edge.url.replace("http", "ws", 1) + "/api/v1/ws") as socket:
        await socket.send(said)
        assert await closed(socket) == 4408


async def test_who_says_nothing_is_refused(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "HELLO_S", 0.1)
    async with connect(edge.url.replace("http", "ws", 1) + "/api/v1/ws") as socket:
        assert await closed(socket) == 4408


async def test_a_key_that_is_revoked_closes_its_socket(edge: Edge) -> None:
    key = await edge.key("viewer")
    async with told(edge, key) as socket:
        await frame(socket, "welcome")
        response = await edge.http.delete(f"/api/v1/keys/{key.split('_')[1]}")
        assert response.is_success
        assert await closed(socket) == 4401


async def test_a_client_that_floods_is_cut(edge: Edge) -> None:
    async with told(edge) as socket:
        await frame(socket, "welcome")
        with contextlib.suppress(ConnectionClosed):  # cut before all is sent
            for _ in range(1_000):
                await socket.send('{"type":"pong"}')
        assert await closed(socket) == 4429


async def test_who_takes_nothing_overflows_alone_and_others_go_on(edge: Edge) -> None:
    async with told(edge) as fast:
        await frame(fast, "welcome")
        slow = feed.Listener(lambda _: True, 0, asyncio.Queue(2))
        edge.gateway.feed._listeners.add(slow)  # pyright: ignore[reportPrivateUsage] - a listener that takes nothing
        for number in range(5):
            await submit(edge, f"t{number}")
            await frame(fast)
        assert slow.overflowed.is_set()
        assert slow.waiting.qsize() == 2


async def test_a_client_that_reads_nothing_is_cut_and_the_others_get_everything_meanwhile(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_WAITING", 20)
    hello = json.dumps({"type": "hello", "token": edge.admin_key})
    small = tcp_socket()
    small.setblocking(False)
    small.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(small, (urlsplit(edge.url).hostname, urlsplit(edge.url).port))
    async with told(edge) as fast, connect(edge.url.replace("http", "ws", 1) + "/api/v1/ws", max_queue=1, sock=small) as stuck:
        await frame(fast, "welcome")
        await stuck.send(hello)
        await frame(stuck, "welcome")
        # The buffers between take some megabytes before anybody notices.
        sent = 0
        async with asyncio.timeout(120):
            while edge.gateway.feed.listeners == 2:
                await submit(edge, f"t{sent}", digest="d" * 300_000)
                assert (await frame(fast))["correlation_id"] == f"t{sent}"
                sent += 1
        assert sent > 1
        await submit(edge, "after")
        assert (await frame(fast))["correlation_id"] == "after"


async def test_a_client_that_floods_delays_nobody_else(edge: Edge) -> None:
    async with told(edge) as calm, told(edge) as flooding:
        await frame(calm, "welcome")
        await frame(flooding, "welcome")

        async def flood() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await flooding.send('{"type":"pong"}')
                    # It sends from this same loop, which is the gateway's too.
                    await asyncio.sleep(0)

        async with asyncio.TaskGroup() as together:
            together.create_task(flood())
            for number in range(20):
                await submit(edge, f"t{number}")
                assert (await frame(calm))["correlation_id"] == f"t{number}"
        assert await closed(flooding) == 4429


async def test_the_feed_is_read_only_while_somebody_listens(edge: Edge) -> None:
    assert not edge.gateway.feed.live
    async with told(edge) as socket:
        await frame(socket, "welcome")
        assert edge.gateway.feed.live
    async with asyncio.timeout(120):
        while edge.gateway.feed.live:
            await asyncio.sleep(0.01)


async def test_a_restart_says_so(edge: Edge) -> None:
    async with told(edge) as socket:
        await frame(socket, "welcome")
        edge.gateway.draining.set()
        assert await closed(socket) == 1012


def test_every_event_of_the_channel_table_has_a_name_in_a_family() -> None:
    for channel in CHANNELS:
        if channel.kind == "event":
            name = topics.name_of(*channel.name.split("."))
            assert name.split(".")[0] in ("task", "agent", "approval", "system")
            assert topics.is_topic(name)
