"""Anchors: written outside, tried again until they are kept, and never in the way of the chain."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks.webhooks import Webhook

from services.ledger import anchoring
from services.ledger.anchoring import AnchorFile
from services.ledger.audit.anchors import Anchor, parse_anchor, read_anchors
from services.ledger.audit.verdict import Verdict
from services.ledger.settings import Settings
from tests.services.ledger import history
from tests.services.ledger.test_app import Edge, edge
from tests.services.ledger.test_verify import PUBLIC, STREAM, signed_over

__all__ = ["edge"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNED = [signed_over(STREAM[:count]) for count in (5, 19, 25)]


def kept_in(path: Path) -> list[Anchor]:
    verdict = Verdict()
    with path.open("rb") as lines:
        anchors = read_anchors(lines, verdict)
    assert verdict.ok, verdict.problems
    return anchors


class Auditor:
    """An HTTP server that somebody else runs. While ``away`` it answers 503."""

    def __init__(self) -> None:
        self.away = False
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.refused = 0
        self.url = ""
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Auditor"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/anchors?token=hidden"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
                original = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
                body = await reader.readexactly(int(headers["content-length"]))
                if self.away:
                    self.refused += 1
                else:
                    self.told.append(({name.lower(): value for name, value in original.items()}, body))
                status = "503 Service Unavailable" if self.away else "204 No Content"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
                self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender hung up
        finally:
            writer.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


async def test_a_file_is_added_to_and_says_itself_how_far_it_is(tmp_path: Path) -> None:
    file = AnchorFile(tmp_path / "anchors.jsonl", PUBLIC)
    assert await file.holds() is None
    await file.keep(SIGNED[:1])
    await file.keep(SIGNED[1:2])
    assert await file.holds() == 19
    assert [each.checkpoint for each in kept_in(tmp_path / "anchors.jsonl")] == SIGNED[:2]


async def test_a_line_that_a_crash_cut_off_is_written_whole_and_the_file_still_reads(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    file = AnchorFile(path, PUBLIC)
    await file.keep(SIGNED[:2])
    path.write_bytes(path.read_bytes()[:-30])
    assert await file.holds() == 5
    await file.keep(SIGNED[1:])
    assert [each.checkpoint for each in kept_in(path)] == SIGNED


async def test_each_checkpoint_goes_to_files_and_webhooks(edge: Callable[..., Edge], tmp_path: Path) -> None:
    async with Auditor().serving() as auditor:
        path = tmp_path / "outside.jsonl"
        around = edge(
            data=tmp_path / "data", checkpoint_interval=timedelta(milliseconds=40), anchors=(str(path), auditor.url),
            anchor_secret=SecretStr(SECRET),
        )  # fmt: skip
        async with around.running():
            await around.append(history.submitted("t1"))
            await auditor.until(lambda: bool(auditor.told))
            headers, body = auditor.told[0]
            Webhook(SECRET).verify(body, headers)
            told = parse_anchor(body)
            assert headers["webhook-id"] == f"agentos-anchor-{told.checkpoint.seq}"
            while not path.exists() or not kept_in(path):
                await asyncio.sleep(0.01)
            assert kept_in(path)[0].checkpoint == told.checkpoint
            line = body.decode().rstrip()
            verdict = await around.data("audit.verify", anchors=[line])
            assert (verdict["ok"], verdict["anchors"]) == (True, 1)
            states: list[dict[str, Any]] = []
            while len([s for s in states if s["anchored"]]) < 2:
                states = (await around.data("audit.status"))["anchors"]
            assert {state["place"] for state in states} == {f"file:{path}", auditor.url.partition("?")[0]}


async def test_what_is_away_gets_the_newest_when_it_is_back_and_nothing_waits_for_it(
    edge: Callable[..., Edge], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchoring, "FIRST_DELAY_S", 0.02)
    async with Auditor().serving() as auditor:
        around = edge(
            data=tmp_path / "data", checkpoint_events=1, anchors=(auditor.url,), anchor_secret=SecretStr(SECRET),
            checkpoint_interval=timedelta(milliseconds=20),
        )  # fmt: skip
        async with around.running():
            await around.append(history.submitted("t0"))
            await auditor.until(lambda: len(auditor.told) == 1)
            auditor.away = True
            for number in range(1, 4):
                # Each checkpoint stands in the log although nobody outside takes it.
                seq = await around.append(history.submitted(f"t{number}"))
                await around.data("ledger.status", min_seq=seq + 1)
            await auditor.until(lambda: auditor.refused >= 2)
            (state,) = (await around.data("audit.status"))["anchors"]
            assert "503" in state["fault"]
        # A restart: what was not told is still to be told, what was told is not told again.
        auditor.away = False
        async with around.running():
            await auditor.until(lambda: len(auditor.told) >= 2)
            last = (await around.data("audit.status"))["last_checkpoint"]["seq"]
            await auditor.until(lambda: parse_anchor(auditor.told[-1][1]).checkpoint.seq == last)
        seqs = [parse_anchor(body).checkpoint.seq for _, body in auditor.told]
        assert seqs == sorted(set(seqs))


def test_a_place_that_would_prove_nothing_is_refused(tmp_path: Path) -> None:
    for target, why in (
        (str(tmp_path / "data" / "anchors.jsonl"), "data folder"),
        ("relative.jsonl", "absolute path"),
        ("https://auditor.example/", "ANCHOR_SECRET"),
    ):
        with pytest.raises(ValidationError, match=why):
            Settings(data=tmp_path / "data", anchors=(target,))
