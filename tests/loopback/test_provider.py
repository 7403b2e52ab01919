"""The loopback provider as a process of its own, as end-to-end and chaos tests use it."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.openai import OpenAIAdapter
from adapters.port import ProviderError
from agentos.contracts.model import ModelRequest, user


async def test_the_process_says_ready_answers_records_and_obeys_a_script(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.loopback.provider", "--port", "0", "--record", str(record), "--latency-ms", "1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        word, port = (await process.stdout.readline()).split()
        assert word == b"ready"
        adapter = OpenAIAdapter(api_key="k", base_url=f"http://127.0.0.1:{int(port)}/v1")
        request = ModelRequest(messages=(user("Write to <EMAIL_1>."),))
        answer = await adapter.complete(request, model="m", timeout=timedelta(seconds=20), idempotency_key="a")
        assert "<EMAIL_1>" in answer.response.text
        assert await _control(int(port), "POST /_loopback/script", b'[{"kind": "status", "status": 503}]') == (1, 0, 0, 1)
        with pytest.raises(ProviderError):
            await adapter.complete(request, model="m", timeout=timedelta(seconds=20), idempotency_key="b")
        assert await _control(int(port), "GET /_loopback/stats", b"") == (2, 0, 0, 2)
        await adapter.close()
    finally:
        process.terminate()
        assert await process.wait() == 0
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(line["event"], line["n"]) for line in lines] == [("request", 0), ("answered", 0), ("request", 1), ("answered", 1)]
    assert "Write to <EMAIL_1>." in lines[0]["body"]


async def _control(port: int, line: str, body: bytes) -> tuple[int, int, int, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{line} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    counts = json.loads(await reader.readexactly(length))
    writer.close()
    await writer.wait_closed()
    return counts["requests"], counts["in_flight"], counts["aborted"], counts["answered"]
