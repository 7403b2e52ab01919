"""The service as a process of its own."""

import asyncio
import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import httpx


async def start(broker: Any, data: Path, **environ: str) -> asyncio.subprocess.Process:
    settings = broker.settings("gateway")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENTOS_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway",
        stderr=asyncio.subprocess.PIPE,
        env=inherited | {
            "AGENTOS_NATS_URL": settings.url, "AGENTOS_NATS_PASSWORD": settings.secret(), "AGENTOS_DATA": str(data),
            "AGENTOS_GATEWAY_PORT": "0", **environ,
        },
    )  # fmt: skip


async def until(process: asyncio.subprocess.Process, event: str) -> tuple[dict[str, Any], list[bytes]]:
    """The log line of that event, and every line up to it."""
    assert process.stderr is not None
    seen: list[bytes] = []
    async for line in process.stderr:
        seen.append(line)
        if f'"{event}"'.encode() in line:
            return json.loads(line), seen
    raise AssertionError(b"".join(seen).decode())


async def test_it_serves_on_a_free_port_and_ends_in_order_while_a_stream_is_open(broker: Any, tmp_path: Path) -> None:
    process = await start(broker, tmp_path / "data")
    serving, lines = await until(process, "gateway serving")
    key_file = tmp_path / "data" / "secrets" / "admin.key"
    key = key_file.read_text().strip()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(base_url=serving["url"], headers=headers, timeout=60) as client,
        client.stream("GET", "/api/v1/events/stream") as stream,
    ):
        received = stream.aiter_lines()
        assert (await anext(received)).startswith("retry:")
        process.send_signal(signal.SIGTERM)
        rest = [line async for line in received]
    assert not any(line.startswith("data:") for line in rest)
    assert process.stderr is not None
    lines += (await process.stderr.read()).splitlines(keepends=True)
    assert await process.wait() == 0
    log = b"".join(lines).decode()
    assert key.removeprefix("aos_admin_") not in log
    assert all(json.loads(line) for line in log.splitlines())


async def test_a_second_start_keeps_the_admin_key_and_a_lost_file_is_not_replaced(broker: Any, tmp_path: Path) -> None:
    key_file = tmp_path / "data" / "secrets" / "admin.key"
    keys: list[str | None] = []
    for _ in range(3):
        process = await start(broker, tmp_path / "data")
        await until(process, "gateway serving")
        process.terminate()
        await process.communicate()
        keys.append(key_file.read_text() if key_file.exists() else None)
        if len(keys) == 2:
            key_file.unlink()
    assert keys[0] == keys[1]
    assert keys[2] is None


async def test_a_refused_configuration_ends_the_start_and_names_the_source_without_its_secret(
    broker: Any, tmp_path: Path
) -> None:
    sources = tmp_path / "sources.json"
    sources.write_text(json.dumps({"gh": {"kind": "github", "secret_env": "SHORT", "events": {"*": "x"}}}))
    process = await start(broker, tmp_path / "data", AGENTOS_GATEWAY_SOURCES_FILE=str(sources), SHORT="tooshort")
    _, err = await process.communicate()
    assert process.returncode == 1
    assert b"source gh" in err
    assert b"tooshort" not in err
