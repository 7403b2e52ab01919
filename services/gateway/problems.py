"""RFC 9457 problem documents: every refusal of the API, in one shape that says what to do."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from agentos.contracts.errors import Conflict, NotFound, Refused, RetryLater, Unavailable
from agentos.sealing import KeyErased

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "x-request-id"

log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One field that was refused."""

    field: str = Field(description="Where, as a dotted path in the body, or the parameter's name.")
    detail: str = Field(description="What is wrong and how to mend it. Never the value.")


class ProblemDocument(BaseModel):
    """RFC 9457 with two extensions: a stable machine-readable `code`, and `errors` by field."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:agentos:problem:not_found"])
    title: str
    status: int
    detail: str
    instance: str | None = Field(default=None, description="This occurrence; quote it when you ask for support.")
    code: str
    errors: list[FieldError] | None = None


class Problem(Exception):
    """Raise it anywhere in a request. ``settled`` marks a refusal that a service decided: an Idempotency-Key replays it."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        title: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        settled: bool = False,
        extension: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.title = title or HTTPStatus(status).phrase
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.settled = settled
        self.extension = extension or {}
        """Further members of the document (RFC 9457 §3.2): what a program, or a person, goes on with."""

    def document(self, instance: str | None) -> dict[str, Any]:
        """The JSON object."""
        found = ProblemDocument(
            type=f"urn:agentos:problem:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            instance=instance,
            code=self.code,
            errors=list(self.errors) or None,
        )
        return self.extension | found.model_dump(exclude_none=True)


def unauthorized(code: str, detail: str) -> Problem:
    """401 with the challenge that RFC 9110 asks for."""
    return Problem(401, code, detail, headers={"WWW-Authenticate": 'Bearer realm="agentos"'})


def unavailable(detail: str, *, code: str = "unavailable", retry_after_s: int = 2) -> Problem:
    """503: nothing was lost, try again."""
    return Problem(503, code, detail, headers={"Retry-After": str(retry_after_s)})


STATUS_OF = {
    "not_found": 404,
    "stale": 412,
    "deadline_over": 422,
    "forbidden": 403,
    "wrong_role": 403,
    "self_approval": 403,
    "same_person": 403,
    "conflict": 409,
    "stale_revision": 412,
    "unavailable": 503,
    "bundle.malformed": 422,
    "bundle.bad_signature": 422,
    "bundle.unknown_key": 422,
    "bundle.revision_differs": 422,
    "bundle.uncompilable": 422,
    "bundle.undefined": 422,
    "bundle.too_slow": 422,
    "bundle.bad_mode": 422,
    "bundle.case_failed": 422,
    "bundle.tests_failed": 422,
    "bad_arguments": 422,
    "bad_query": 422,
    "target_missing": 422,
    "behind": 503,
    "unknown_query": 503,
}
"""HTTP status by a service's answer code; a code that is not here is a refusal of the request's sense in the present state: 409."""


def from_answer(code: str, detail: str, data: Any = None) -> Problem:
    """The problem for a service's refusal, with what it adds to it."""
    status = STATUS_OF.get(code)
    if status is None:
        status = 404 if code.endswith("not_found") or code.startswith("unknown") else 409
    if status == 503:
        return unavailable(detail, code=code)
    extension = cast("dict[str, Any]", data) if isinstance(data, dict) else None
    return Problem(status, code, detail or HTTPStatus(status).phrase, settled=True, extension=extension)


def from_validation(errors: Sequence[Any]) -> Problem:
    """422 for pydantic's errors. Inputs are left out: they may hold anything."""
    found: list[FieldError] = []
    for error in errors:
        loc = [str(part) for part in error["loc"]]
        if loc and loc[0] in ("body", "query", "path", "header"):
            loc = loc[1:]
        field = ".".join(loc)[:200].encode("ascii", "backslashreplace").decode() or "(body)"
        detail = "is not a known field: remove it" if error["type"] == "extra_forbidden" else str(error["msg"])[:500]
        found.append(FieldError(field=field, detail=detail))
    summary = "; ".join(f"{error.field}: {error.detail}" for error in found[:3])
    return Problem(422, "invalid_request", f"{len(found)} field(s) refused: {summary}", errors=found[:50])


def respond(problem: Problem, request: Request) -> Response:
    """The response for ``problem``, with the request's id as its instance."""
    instance = getattr(request.state, "request_id", None)
    return JSONResponse(
        problem.document(f"urn:uuid:{instance}" if instance else None),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


_TITLES = {404: "no such path: the list is at /openapi.json", 405: "this path does not take this method; see the Allow header"}


def as_problem(error: Exception) -> Problem:
    """The problem that an exception stands for. What we did not foresee is a 500 that repeats nothing of it."""
    match error:
        case Problem():
            return error
        case RequestValidationError() | ValidationError():
            return from_validation(error.errors())
        case HTTPException():
            code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
            detail = _TITLES.get(error.status_code, str(error.detail))
            return Problem(error.status_code, code, detail, headers=dict(error.headers or {}))
        case NotFound():
            return Problem(404, error.code, error.detail, settled=True)
        case Refused():
            return from_answer(error.code, error.detail)
        case KeyErased():
            return Problem(410, error.code, "what this is about was erased, and cannot be read or made again", settled=True)
        case Conflict():
            return Problem(409, error.code, error.detail)
        case RetryLater() | Unavailable() | TimeoutError():
            return unavailable("the broker does not answer: nothing was decided; try again", code="unavailable")
        case _:
            return Problem(500, "internal", "a defect on our side; the log has it under this instance")


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        if isinstance(error, ResponseValidationError):
            # Its message repeats the answer, which may hold an opened result: say only where it does not fit.
            places = [".".join(map(str, each["loc"])) for each in error.errors()]
            log.error("the answer does not fit its model", path=request.url.path, places=places)
        elif problem.status == 500:
            log.error("request failed", path=request.url.path, exc_info=error)
        return respond(problem, request)

    for kind in (
        Problem,
        RequestValidationError,
        ResponseValidationError,
        HTTPException,
        Refused,
        KeyErased,
        Conflict,
        RetryLater,
        Unavailable,
        TimeoutError,
        Exception,
    ):
        app.add_exception_handler(kind, handle)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI ``responses`` for these statuses and those that every route can answer with."""
    every = sorted({400, 401, 403, 405, 422, 429, 503, *statuses})
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in every}
