"""A loopback stand-in for GitHub's issue comments API, as far as the pack uses it."""

import asyncio
import json
from types import TracebackType
from typing import Self


class GitHub:
    """``status`` other than 200 answers everything with it."""

    def __init__(self) -> None:
        self.comments: list[str] = []
        self.tokens: set[str] = set()
        self.status = 200
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        self.tokens.add(headers.get("authorization", ""))
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        listed = [{"body": text, "html_url": f"https://github.com/c/{n}"} for n, text in enumerate(self.comments)]
        answer: object = listed
        if lines[0].startswith("POST") and self.status == 200:
            self.comments.append(json.loads(body)["body"])
            answer = {"html_url": f"https://github.com/c/{len(self.comments) - 1}"}
        payload = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(payload)}\r\nconnection: close\r\n\r\n".encode() + payload
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
