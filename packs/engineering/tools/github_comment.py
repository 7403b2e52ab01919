"""Posts a comment on a GitHub issue, once; without a token it goes to the outbox folder, and says so."""

import os
import re
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentos.sdk import ToolCall, ToolFailure, ToolResult

if TYPE_CHECKING:
    import httpx

API = "https://api.github.com"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.-]{1,100}")
_PAGES = 10
_LONGEST = 60_000
"""GitHub takes 65,536 characters."""


async def comment(call: ToolCall) -> ToolResult:
    """Arguments: repository (owner/name), issue (number), body (Markdown). Idempotent by the call's id."""
    repository, issue, body = str(call.arguments["repository"]), int(call.arguments["issue"]), str(call.arguments["body"])
    if _REPOSITORY.fullmatch(repository) is None or ".." in repository:
        raise ToolFailure("repository must be owner/name", code="bad_arguments")
    if issue < 1 or len(body) > _LONGEST:
        raise ToolFailure(f"issue must be a positive number and body at most {_LONGEST} characters", code="bad_arguments")
    marked = f"{body}\n\n{marker(call.id)}"
    token = call.secrets.get("GITHUB_TOKEN")
    if token is None:
        return ToolResult({"simulated": True, "file": into_outbox(call, repository, issue, marked)}, simulated=True)
    base = call.settings.get("GITHUB_API_URL", API).rstrip("/")
    return ToolResult({"simulated": False, "url": await _post(base, token, repository, issue, marked, marker(call.id))})


def marker(call_id: str) -> str:
    """An invisible line by which a comment that was posted before a crash is found again."""
    return f"<!-- agentos:{call_id} -->"


def into_outbox(call: ToolCall, repository: str, issue: int, body: str) -> str:
    """Write the comment as a file, whole or not at all; the file's name, which holds the call's id. The same call gives the same file."""
    name = f"{call.id}.github-comment.md"
    header = (
        "> **NOT SENT.** GITHUB_TOKEN is not set, so this comment was written here instead of being posted.\n"
        f"> To: https://github.com/{repository}/issues/{issue}\n\n"
    )
    with tempfile.NamedTemporaryFile("w", dir=call.outbox, prefix=".draft-", encoding="utf-8", delete=False) as draft:
        draft.write(header + body + "\n")
    os.replace(draft.name, call.outbox / name)  # noqa: PTH105 - the draft is known by its name
    return name


async def _post(base: str, token: str, repository: str, issue: int, body: str, mark: str) -> str:
    import httpx

    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "agentos",
    }
    comments = f"{base}/repos/{repository}/issues/{issue}/comments"
    try:
        async with httpx.AsyncClient(headers=headers, timeout=15, trust_env=False) as client:
            if (standing := await _find(client, comments, mark)) is not None:
                return standing
            answer = await client.post(comments, json={"body": body})
            _check(answer)
            return _url(answer.json())
    except (httpx.TransportError, httpx.DecodingError) as fault:
        # Nobody knows whether it was posted; the next attempt looks for the marker first.
        raise ToolFailure(
            f"GitHub did not answer ({type(fault).__name__})", code="github_unreachable", retryable=True
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ToolFailure("GitHub's answer is not what its API documents", code="github_answer", retryable=True) from None


async def _find(client: "httpx.AsyncClient", comments: str, mark: str) -> str | None:
    for page in range(1, _PAGES + 1):
        answer = await client.get(comments, params={"per_page": 100, "page": page})
        _check(answer)
        listed: list[Mapping[str, Any]] = answer.json()
        for standing in listed:
            if mark in (standing.get("body") or ""):
                return _url(standing)
        if len(listed) < 100:
            return None
    return None


def _url(comment_: Mapping[str, Any]) -> str:
    return str(comment_["html_url"])


def _check(answer: "httpx.Response") -> None:
    status = answer.status_code
    if status < 300:
        return
    limited = status == 403 and answer.headers.get("x-ratelimit-remaining") == "0"
    detail = {
        401: "GitHub refuses the token: set a valid GITHUB_TOKEN",
        403: "GITHUB_TOKEN may not comment there: give it issues: write",
        404: "there is no such repository or issue, or GITHUB_TOKEN cannot see it",
        410: "the repository has issues switched off, or the issue was deleted",
    }.get(status, f"GitHub answered {status}")
    raise ToolFailure(detail, code=f"github_{status}", retryable=limited or status == 429 or status >= 500)


__all__ = ["comment", "into_outbox", "marker"]
