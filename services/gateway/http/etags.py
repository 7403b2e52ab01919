"""Conditional requests (RFC 9110 §13): what has not changed is not sent again, and what has changed is not written over unseen."""

import hashlib
from typing import Annotated, Any

from fastapi import Header, Request, Response
from pydantic import BaseModel

from services.gateway.problems import Problem

IF_NONE_MATCH = "if-none-match"


IfMatch = Annotated[
    str | None,
    Header(
        max_length=2_000,
        description="The ETag of what you looked at: without it nothing is changed, nor if it is another by now.",
    ),
]
TAGGED: dict[str, Any] = {"ETag": {"description": "Send it as If-Match with a change.", "schema": {"type": "string"}}}
"""For the OpenAPI document."""


def require_match(sent: str | None, current: str) -> None:
    """Raises a 428 problem when no If-Match was sent, a 412 one when what it names is not ``current``. A weak tag matches nothing."""
    if sent is None:
        raise Problem(428, "if_match_needed", "say what you change: send If-Match with the ETag of your last GET")
    tags = {each.strip() for each in sent.split(",")}
    if current not in tags and "*" not in tags:
        raise Problem(
            412, "stale", "it was changed since you looked at it: look again", settled=True, headers={"ETag": current}
        )


def etag_of(body: bytes) -> str:
    """A strong tag: the same bytes, the same tag."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def answered(request: Request, answer: BaseModel) -> Response:
    """The answer with its tag; 304 without it where the client has it already."""
    body = answer.model_dump_json().encode()
    tag = etag_of(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {each.strip().removeprefix("W/") for each in request.headers.get(IF_NONE_MATCH, "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
