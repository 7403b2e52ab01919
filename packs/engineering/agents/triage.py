"""Reads a new GitHub issue, says what it is, and asks to post a reply."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentos.sdk import CallRefused, Context

PROMPT = Path(__file__).resolve().parents[1] / "prompts" / "triage.md"
_LONGEST_BODY = 20_000


class BadIssue(ValueError):
    """The input holds no issue; the message names the field that is missing."""


class _Lenient(BaseModel):
    """GitHub adds fields whenever it likes."""

    model_config = ConfigDict(extra="ignore")


class _User(_Lenient):
    login: str


class _Label(_Lenient):
    name: str


class _Repository(_Lenient):
    full_name: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")


class _Issue(_Lenient):
    number: int = Field(ge=1)
    title: str
    body: str | None = None
    user: _User
    labels: list[_Label] = []


class IssueOpened(_Lenient):
    """What triage needs of GitHub's ``issues.opened`` payload."""

    issue: _Issue
    repository: _Repository


class Triage(BaseModel):
    """What the model is asked for."""

    kind: Literal["bug", "feature", "question", "documentation", "security"] = Field(description="what the reporter brings")
    severity: Literal["critical", "high", "medium", "low"] = Field(description="how much it hurts how many")
    area: str = Field(min_length=1, max_length=80, description="the component or module it concerns")
    missing: list[str] = Field(max_length=10, description="what a maintainer would have to ask for")
    summary: str = Field(min_length=1, max_length=600, description="for a maintainer in a hurry")
    reply: str = Field(min_length=1, max_length=4_000, description="the answer to the reporter, in Markdown")


class Triaged(Triage):
    """The task's result. ``posted`` is false when a person declined the reply; ``simulated`` when it went to the outbox."""

    repository: str
    issue: int
    posted: bool
    simulated: bool = False
    url: str | None = None
    declined: list[str] = []


async def triage(ctx: Context, input: dict[str, Any]) -> Triaged:  # noqa: A002 - the SDK's own name
    """``input`` is a webhook delivery (payload under ``body``) or the bare payload of ``issues.opened``."""
    opened = read(input)
    found = await ctx.model(
        prompt_for(opened), system=PROMPT.read_text("utf-8"), response_schema=Triage, max_output_tokens=1_500
    )
    ctx.log.info("triaged", kind=found.kind, severity=found.severity)
    repository, issue = opened.repository.full_name, opened.issue.number
    triaged = Triaged(**found.model_dump(), repository=repository, issue=issue, posted=False)
    try:
        posted = await ctx.tool("github.comment", repository=repository, issue=issue, body=found.reply)
    except CallRefused as refused:
        # A declined reply does not undo the triage.
        return triaged.model_copy(update={"declined": list(refused.reasons)})
    simulated = bool(posted.get("simulated"))
    return triaged.model_copy(update={"posted": not simulated, "simulated": simulated, "url": posted.get("url")})


def read(given: dict[str, Any]) -> IssueOpened:
    """The issue in the input. Raises BadIssue, which names fields and never quotes them."""
    payload = given if "issue" in given else given.get("body")
    try:
        return IssueOpened.model_validate(payload)
    except ValidationError as bad:
        where = ", ".join(".".join(map(str, field["loc"])) or "(root)" for field in bad.errors(include_input=False))
        raise BadIssue(f"the input is no issues.opened payload; wrong or missing: {where}") from None


def prompt_for(opened: IssueOpened) -> str:
    """The issue as the model reads it."""
    issue = opened.issue
    body = (issue.body or "(no description)")[:_LONGEST_BODY]
    labels = ", ".join(label.name for label in issue.labels) or "none"
    return (
        f"Repository: {opened.repository.full_name}\nIssue: #{issue.number}\nTitle: {issue.title}\nReporter: {issue.user.login}\n"
        f"Labels: {labels}\n\n{body}"
    )
