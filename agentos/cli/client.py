"""The REST API as the command line uses it: one client, and failures that say what to do.

Exit codes: 1 the request was refused or what was waited for failed, 2 the command was used wrongly, 3 nobody answers.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from agentos.contracts.ids import new_id

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
TRIES = 3


class Failure(Exception):
    """Ends the command: one line for a person, and the exit code."""

    def __init__(self, title: str, detail: str, *, mend: str = "", exit_code: int = REFUSED, document: Any = None) -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.mend = mend
        self.exit_code = exit_code
        self.document = document


@dataclass(frozen=True, slots=True)
class Target:
    """Where the API is and who asks. ``key`` wins over the file that the first start leaves in the data folder."""

    url: str
    key: str | None
    data: Path

    def bearer(self) -> str:
        """The API key. Raises Failure saying where one comes from."""
        if self.key:
            return self.key
        path = self.data / "secrets" / "admin.key"
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise Failure(
                "No API key",
                f"neither --key nor AGENTOS_API_KEY is set, and {path} cannot be read",
                mend="set AGENTOS_API_KEY, or AGENTOS_DATA to the data folder of `agentos up`",
                exit_code=USAGE,
            ) from None


class Api:
    """Blocking calls. Every POST carries an Idempotency-Key, so that trying again after a lost answer does nothing twice."""

    def __init__(self, target: Target) -> None:
        self._url = target.url.rstrip("/")
        headers = {"Authorization": f"Bearer {target.bearer()}", "User-Agent": "agentos-cli"}
        try:
            # Longer than the gateway waits for its services, so that its answer comes first.
            self._http = httpx.Client(base_url=f"{self._url}/api/v1/", headers=headers, timeout=60, trust_env=False)
        except (httpx.InvalidURL, ValueError) as bad:
            raise Failure("Bad URL or key", str(bad), mend="check --url and the API key", exit_code=USAGE) from None

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer; query values that are None are left out."""
        return self._call("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """The JSON answer."""
        return self._call("POST", path, json=body or {}, headers={"Idempotency-Key": idempotency_key or new_id()})

    def patch(self, path: str, body: Any, *, if_match: str | None = None) -> Any:
        """The JSON answer; with ``if_match`` only while the tag is still that one."""
        return self._call("PATCH", path, json=body, headers={} if if_match is None else {"If-Match": if_match})

    def tag(self, path: str) -> str:
        """The ETag of what stands there: to be sent with a change of it."""
        return self._response("GET", path).headers["etag"]

    def delete(self, path: str, **query: Any) -> Any:
        """The JSON answer; query values that are None are left out."""
        return self._call("DELETE", path, params={name: value for name, value in query.items() if value is not None})

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return _checked(self._response(method, path, **options))

    def _response(self, method: str, path: str, **options: Any) -> httpx.Response:
        for left in reversed(range(TRIES)):
            try:
                response = self._http.request(method, path, **options)
            except httpx.ConnectError as fault:
                raise self._unreachable(fault) from None
            except (httpx.TransportError, httpx.InvalidURL) as fault:
                if left == 0:
                    raise self._unreachable(fault) from None
                time.sleep(0.3)
                continue
            again = response.status_code in (429, 503) or (response.status_code == 409 and "in_flight" in response.text)
            if again and left:
                time.sleep(_wait_s(response.headers))
                continue
            if response.is_error:
                _checked(response)
            return response
        raise AssertionError("unreachable")

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """A streamed answer, line by line. What is None is not asked for."""
        asked = {name: value for name, value in query.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=asked, timeout=60) as response:
                if response.is_error:
                    response.read()
                    _checked(response)
                yield from response.iter_lines()
        except httpx.ConnectError as fault:
            raise self._unreachable(fault) from None

    def events(self, task: str | None = None, after: int | None = None) -> Iterator[dict[str, Any]]:
        """Live events for ever, without gaps: a lost connection is taken up where it broke."""
        last, fresh = after, 0
        while True:
            try:
                for line in self.lines("events/stream", task=task, after=last):
                    if line.startswith("data: "):
                        event = cast("dict[str, Any]", json.loads(line.removeprefix("data: ")))
                        last, fresh = event["seq"], 0
                        yield event
            except httpx.TransportError as lost:
                if fresh == TRIES:
                    raise self._unreachable(lost) from None
            fresh += 1
            if fresh > TRIES:
                raise Failure("The stream ended", "the gateway closes the stream again and again", exit_code=UNREACHABLE)
            time.sleep(0.5)

    def _unreachable(self, fault: Exception) -> Failure:
        return Failure(
            "Nobody answers",
            f"{self._url}: {type(fault).__name__}",
            mend="is it running (`agentos up`)? is --url or AGENTOS_URL right?",
            exit_code=UNREACHABLE,
        )


def _wait_s(headers: Mapping[str, str]) -> float:
    given = headers.get("retry-after", "1")
    return min(float(given), 5.0) if given.isascii() and given.isdigit() else 1.0


def _checked(response: httpx.Response) -> Any:
    try:
        said: Any = response.json()
    except ValueError:
        said = None
    if response.is_success and said is not None:
        return said
    if not isinstance(said, dict) or "title" not in said:
        mend = "is --url the gateway's?"
        raise Failure(
            "Not AgentOS", f"status {response.status_code} without a problem document", mend=mend, exit_code=UNREACHABLE
        )
    document = cast("dict[str, Any]", said)
    unreachable = response.status_code == 503
    raise Failure(
        str(document["title"]),
        str(document.get("detail", "")),
        mend=_MEND.get(response.status_code, ""),
        exit_code=UNREACHABLE if unreachable else REFUSED,
        document=document,
    )


_MEND = {
    401: "set AGENTOS_API_KEY to a valid key",
    403: "use a key whose role may do this, or ask an admin",
    404: "check the id",
    412: "somebody else was faster: look at it again, then repeat the command",
    429: "wait a moment and try again",
    503: "wait a moment and try again; `agentos up` shows what is missing",
}
