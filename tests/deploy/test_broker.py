"""The committed broker configuration on real servers: it parses, forms a cluster of three, and syncs every write to disk."""

import asyncio
import json
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import SecretStr

from agentos.bus import BrokerSettings
from agentos.bus.provision import provision
from agentos.bus.server import USERS, find_binary, free_port
from agentos.bus.topology import PROVISIONER, authorization_conf, streams

NATS = Path(__file__).resolve().parents[2] / "deploy" / "nats"
PASSWORDS = {f"NATS_{user.upper()}_PASSWORD": f"p{index}" for index, user in enumerate((*USERS, "cluster"))}


@dataclass
class Node:
    """One server of the cluster, as the configuration describes it but for addresses and folders, which are this machine's."""

    folder: Path
    port: int
    cluster_port: int
    http_port: int

    def write(self) -> Path:
        text = (NATS / "nats.conf").read_text()
        for committed, here in (
            ('"0.0.0.0:4222"', f'"127.0.0.1:{self.port}"'),
            ('"0.0.0.0:6222"', f'"127.0.0.1:{self.cluster_port}"'),
            ('"127.0.0.1:8222"', f'"127.0.0.1:{self.http_port}"'),
            ('"/data"', f'"{self.folder / "data"}"'),
        ):
            assert text.count(committed) == 1
            text = text.replace(committed, here)
        self.folder.mkdir(parents=True)
        (self.folder / "authorization.conf").write_text(authorization_conf())
        (self.folder / "nats.conf").write_text(text)
        return self.folder / "nats.conf"


def environment(nodes: list[Node], name: str) -> dict[str, str]:
    password = PASSWORDS["NATS_CLUSTER_PASSWORD"]
    routes = {
        f"NATS_ROUTE_{n}": f"nats://route:{password}@127.0.0.1:{node.cluster_port}" for n, node in enumerate(nodes, start=1)
    }
    return PASSWORDS | routes | {"NATS_NAME": name}


def nodes_in(folder: Path) -> list[Node]:
    return [Node(folder / f"n{n}", free_port(), free_port(), free_port()) for n in range(3)]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[list[Node]]:
    """Three real servers on loopback."""
    nodes = nodes_in(tmp_path)
    processes = [
        await asyncio.create_subprocess_exec(
            find_binary(),
            "-c",
            str(node.write()),
            env=environment(nodes, f"n{n}"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        for n, node in enumerate(nodes)
    ]
    for node in nodes:
        while not await asyncio.to_thread(healthy, node):
            await asyncio.sleep(0.05)
    yield nodes
    for process in processes:
        process.terminate()
    await asyncio.gather(*(process.wait() for process in processes))


def fetch(node: Node, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.http_port}{path}", timeout=60) as response:
        found: dict[str, object] = json.load(response)
        return found


def healthy(node: Node) -> bool:
    """Whether the server says so: it serves clients, and the cluster has its leader."""
    try:
        return fetch(node, "/healthz")["status"] == "ok"
    except OSError:
        return False


def test_the_configuration_is_valid_in_the_eyes_of_the_server(tmp_path: Path) -> None:
    nodes = nodes_in(tmp_path)
    checked = subprocess.run(
        [find_binary(), "-t", "-c", nodes[0].write()], env=environment(nodes, "n0"), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_the_committed_permissions_are_those_of_the_channel_table() -> None:
    assert (NATS / "authorization.conf").read_text() == authorization_conf()


@pytest.mark.cluster
async def test_three_servers_hold_every_stream_three_times_and_sync_every_write(cluster: list[Node]) -> None:
    urls = ",".join(f"nats://127.0.0.1:{node.port}" for node in cluster)
    admin = BrokerSettings(url=urls, user=PROVISIONER, password=SecretStr(PASSWORDS["NATS_PROVISIONER_PASSWORD"]))
    await provision(admin, replicas=3)
    for node in cluster:
        state = await asyncio.to_thread(fetch, node, "/varz")
        jetstream = state["jetstream"]
        assert isinstance(jetstream, dict)
        assert jetstream["config"]["sync_always"] is True
        # Just provisioned, replicas may still be catching up.
        while not await asyncio.to_thread(healthy, node):
            await asyncio.sleep(0.05)
    client = Client()
    await client.connect(
        admin.servers, user=PROVISIONER, password=admin.secret(), inbox_prefix=b"_INBOX_provisioner", allow_reconnect=False
    )
    for stream in streams(3):
        reply = await client.request(f"$JS.API.STREAM.INFO.{stream['name']}", b"", timeout=60)
        info = json.loads(reply.data)
        assert info["config"]["num_replicas"] == 3
        assert len(info["cluster"]["replicas"]) == 2, stream["name"]
    await client.close()


@pytest.mark.cluster
async def test_without_a_password_nobody_gets_in(cluster: list[Node]) -> None:
    node = cluster[0]
    client = Client()
    with pytest.raises(NatsError):
        await client.connect([f"nats://127.0.0.1:{node.port}"], allow_reconnect=False)
    await client.close()
    # A route is past every permission: one without the cluster's password is sent away.
    reader, writer = await asyncio.open_connection("127.0.0.1", node.cluster_port)
    writer.write(b'CONNECT {"verbose":false,"name":"stranger","server_id":"stranger","cluster":"agentos"}\r\nPING\r\n')
    said = await reader.read()
    assert b"Authorization" in said
    writer.close()
    await writer.wait_closed()
