"""The engineering pack, offline: a real-shaped GitHub delivery becomes a triage and one comment."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.model import ModelRequest, ModelResponse
from agentos.sdk import Pack, ToolCall, ToolFailure
from agentos.sdk.testing import Harness, says
from tests.packs.github import GitHub

FOLDER = Path(__file__).resolve().parents[2] / "packs" / "engineering"
PAYLOAD: dict[str, Any] = json.loads((FOLDER / "examples" / "issues.opened.json").read_text("utf-8"))
DELIVERY = {"source": "github", "event": "issues", "action": "opened", "headers": {}, "body": PAYLOAD}
TRIAGE = {
    "kind": "bug",
    "severity": "critical",
    "area": "checkout",
    "missing": ["Node.js version"],
    "summary": "Checkout crashes since 2.4.0.",
    "reply": "Thanks, alice.liddell@example.com! Which Node.js version is it?",
}


@pytest.fixture
def pack() -> Pack:
    return Pack.load(FOLDER)


def triage_of(pack: Pack) -> Any:
    return pack.function("agents.triage:triage")


def answering(answer: Any) -> Any:
    def model(request: ModelRequest) -> ModelResponse:
        assert request.response_format is not None
        return says(answer if isinstance(answer, str) else json.dumps(answer))

    return model


@pytest.mark.parametrize("given", [DELIVERY, PAYLOAD], ids=["delivery", "bare payload"])
async def test_an_opened_issue_is_triaged_and_the_model_s_reply_asked_to_be_posted(pack: Pack, given: dict[str, Any]) -> None:
    posted: list[Any] = []

    def tool(arguments: Any) -> Any:
        posted.append(arguments)
        return {"simulated": False, "url": "https://github.com/x"}

    run = await Harness(model=answering(TRIAGE), tools={"github.comment": tool}).check_crashes(triage_of(pack), given)
    assert run.result | TRIAGE == run.result
    assert (run.result["repository"], run.result["issue"], run.result["posted"]) == ("wonderland-labs/teaparty", 1347, True)
    assert posted[0] == {"repository": "wonderland-labs/teaparty", "issue": 1347, "body": TRIAGE["reply"]}


async def test_the_prompt_holds_title_and_body_and_the_schema(pack: Pack) -> None:
    asked: list[ModelRequest] = []

    def model(request: ModelRequest) -> ModelResponse:
        asked.append(request)
        return says(json.dumps(TRIAGE))

    await Harness(model=model, tools={"github.comment": lambda _: {}}).run(triage_of(pack), DELIVERY)
    (request,) = asked
    text = request.messages[0].parts[0]
    assert PAYLOAD["issue"]["title"] in text.text  # pyright: ignore[reportAttributeAccessIssue] - a text part
    assert "alice.liddell@example.com" in text.text  # pyright: ignore[reportAttributeAccessIssue] - a text part
    assert request.response_format is not None
    assert set(request.response_format.json_schema["properties"]) == set(TRIAGE)


async def test_a_declined_reply_leaves_the_triage(pack: Pack) -> None:
    run = await Harness(model=answering(TRIAGE)).run(triage_of(pack), DELIVERY)
    assert run.result["posted"] is False
    assert run.result["declined"]
    assert run.result["kind"] == "bug"


@pytest.mark.parametrize("answer", ["no json at all", {"kind": "bug"}, TRIAGE | {"kind": "rant"}, TRIAGE | {"reply": ""}])
async def test_an_answer_that_does_not_fit_the_schema_fails_and_may_be_tried_again(pack: Pack, answer: Any) -> None:
    ended = (await Harness(model=answering(answer)).run(triage_of(pack), DELIVERY)).ended
    assert ended is not None
    assert (ended.outcome, ended.code, ended.retryable, ended.step) == ("failed", "bad_answer", True, 0)


@pytest.mark.parametrize(
    "given", [{}, {"body": None}, {"issue": {"number": 0, "title": "alice.liddell@example.com"}}, {"issue": []}]
)
async def test_an_input_without_an_issue_fails_naming_fields_and_quoting_none(pack: Pack, given: dict[str, Any]) -> None:
    ended = (await Harness(model=answering(TRIAGE)).run(triage_of(pack), given)).ended
    assert ended is not None
    assert ended.code == "pack_raised"
    assert "no issues.opened payload" in ended.message
    assert "alice" not in ended.message


# --- github.comment ------------------------------------------------------------------------------------------------------
CALL = "t1-s0001-e1"
ARGUMENTS = {"repository": "wonderland-labs/teaparty", "issue": 1347, "body": "Thanks, alice.liddell@example.com"}


def call(outbox: Path, **changes: Any) -> ToolCall:
    given: dict[str, Any] = {"id": CALL, "name": "github.comment", "arguments": ARGUMENTS, "outbox": outbox}
    return ToolCall(**(given | changes))


async def test_without_a_token_the_comment_goes_to_the_outbox_and_says_so(pack: Pack, tmp_path: Path) -> None:
    comment = pack.function("tools.github_comment:comment")
    for _ in range(2):
        result = await comment(call(tmp_path))
        assert result.simulated
    (file,) = tmp_path.iterdir()
    assert CALL in file.name
    text = file.read_text("utf-8")
    assert "NOT SENT" in text.splitlines()[0]
    assert "GITHUB_TOKEN is not set" in text.splitlines()[0]
    assert str(ARGUMENTS["body"]) in text


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    async with GitHub() as running:
        yield running


def sending(github: GitHub, outbox: Path) -> ToolCall:
    return call(outbox, secrets={"GITHUB_TOKEN": "t0ken"}, settings={"GITHUB_API_URL": github.url})


async def test_the_same_call_posts_one_comment_however_often_it_is_executed(pack: Pack, github: GitHub, tmp_path: Path) -> None:
    comment = pack.function("tools.github_comment:comment")
    first = await comment(sending(github, tmp_path))
    second = await comment(sending(github, tmp_path))
    assert first.value == second.value
    assert len(github.comments) == 1
    assert f"<!-- agentos:{CALL} -->" in github.comments[0]
    assert github.tokens == {"Bearer t0ken"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (404, False), (429, True), (500, True), (503, True)])
async def test_what_github_refuses_is_told_and_only_passing_faults_are_tried_again(
    pack: Pack, github: GitHub, tmp_path: Path, status: int, retryable: bool
) -> None:
    github.status = status
    with pytest.raises(ToolFailure) as failed:
        await pack.function("tools.github_comment:comment")(sending(github, tmp_path))
    assert (failed.value.code, failed.value.retryable) == (f"github_{status}", retryable)
    assert "t0ken" not in failed.value.detail


@pytest.mark.parametrize("repository", ["", "x", "a/b/c", "../../etc", "a/..", "a/b?x=1", "a/b\nHost: x"])
async def test_a_repository_that_is_no_repository_is_refused(pack: Pack, tmp_path: Path, repository: str) -> None:
    with pytest.raises(ToolFailure, match="owner/name"):
        await pack.function("tools.github_comment:comment")(call(tmp_path, arguments=ARGUMENTS | {"repository": repository}))
