"""The ops console: the built pages, served beside the API on the same port."""

import asyncio
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

BUILT = Path(__file__).resolve().parents[2] / "ops-console" / "dist"
"""Where `make console` puts it in a checkout."""

_OTHERS = ("/api/", "/v1/", "/healthz", "/readyz", "/metrics", "/openapi.json")
_HASHED = "assets"
_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"
_UNBUILT = "The console is not built: run `make console`, or set AGENTOS_GATEWAY_CONSOLE to the folder that holds it.\n"


@dataclass(frozen=True, slots=True)
class Console:
    """Every GET that is none of the API's. Pages are addresses of one document; files under ``assets`` carry their hash and stay."""

    folder: Path
    others: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and not _is_others(scope["path"])
        answer = await asyncio.to_thread(self._answer, str(scope["path"]), _reads_html(scope)) if own else None
        if answer is None:
            await self.others(scope, receive, send)
            return
        await answer(scope, receive, send)

    def _answer(self, path: str, html: bool) -> Response | None:
        """None where it is the API's to answer: a program that asks for an address of nothing gets a problem document."""
        asked = PurePosixPath(path.lstrip("/"))
        # Never a path of the file system's own: no "..", no hidden file, nothing absolute.
        plain = all(not part.startswith(".") and "\\" not in part and "\0" not in part for part in asked.parts)
        file = self.folder / asked
        if plain and asked.parts and file.is_file() and file.resolve().is_relative_to(self.folder.resolve()):
            return FileResponse(file, headers={"Cache-Control": _FOREVER if asked.parts[0] == _HASHED else _ASK})
        if not html and asked.parts[:1] != (_HASHED,):
            return None
        # A file that is gone is not a page: an old document asks for it after an upgrade, and must not get HTML as a script.
        if not plain or asked.suffix or (asked.parts and asked.parts[0] == _HASHED):
            return PlainTextResponse("There is no such file.\n", 404, headers={"Cache-Control": "no-store"})
        document = self.folder / "index.html"
        if not document.is_file():
            return PlainTextResponse(_UNBUILT, 404, headers={"Cache-Control": "no-store"})
        return FileResponse(document, headers={"Cache-Control": _ASK})


def _reads_html(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _is_others(path: str) -> bool:
    return any(path == each.rstrip("/") or path.startswith(each if each.endswith("/") else f"{each}/") for each in _OTHERS)
