"""Conditional reads (RFC 9110 §13): what has not changed is not sent again."""

import hashlib

from fastapi import Request, Response
from pydantic import BaseModel

IF_NONE_MATCH = "if-none-match"


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
