"""``agentos policy`` as people run it: offline on folders and files, and against a gateway with the policy service behind it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.base import Principal
from agentos.contracts.events.approval import ApprovalRevised, ApprovalRuled
from agentos.ending import end
from agentos.signing_key import load_or_create
from services.ledger.audit.export import Event, Header, event_line, header_line
from services.policy.active import ActivePolicy
from services.policy.bundles import verify
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import BUNDLE, Bundle, PolicyEvaluator
from services.policy.publishing import Bundles
from services.policy.questions import CheckpointQuestion
from services.policy.signing import public_text, trusted
from services.policy.verdicts import ruling
from tests.cli.test_cli import Ended, agentos
from tests.governance.scenario import context
from tests.services.policy.cases import approval, key, tool_call


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The shipped rules, but approvers approve nothing any more, one rule is gone, and no cases."""
    folder = tmp_path / "candidate"
    shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("*.cases.json", "*_test.rego"))
    data = json.loads((folder / "data.json").read_text())
    data["config"]["roles"]["approver"].remove("approvals.resolve")
    (folder / "data.json").write_text(json.dumps(data))
    api = (folder / "api.rego").read_text()
    start = api.index('denials contains {"reason": "principal.not_for_api"')
    (folder / "api.rego").write_text(api[:start] + api[api.index("denials contains", start + 1) :])
    return folder


def decided(who: str, *roles: str) -> dict[str, Any]:
    """A ruling as the log keeps it, on the question whether ``who`` may approve."""
    question = approval(key(*roles, name=who))
    return ApprovalRuled(**ruling(question, EmbeddedEvaluator().decide_now(question))).model_dump(mode="json")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An audit export with three rulings, two for an approver and one against a viewer, and something else."""
    bodies = [decided("ann", "approver"), decided("bob", "approver"), decided("eve", "viewer")]
    file = tmp_path / "audit.jsonl"
    events = [
        Event(seq, f"evt.default.approval.a{seq}.ruled.1", {}, json.dumps(body).encode(), b"h" * 32)
        for seq, body in enumerate(bodies, 1)
    ]
    events.append(Event(4, "evt.default.task.t1.submitted", {}, b"{}", b"h" * 32))
    lines = [header_line(Header(b"k" * 32, 4, b"h" * 32)), *(event_line(event, event.hash) for event in events)]
    file.write_bytes(b"".join(lines))
    return file


async def test_the_shipped_rules_pass(tmp_path: Path) -> None:
    ended = await agentos("policy", "test", PATH="/nonexistent")
    assert ended.code == 0, ended.out + ended.err
    assert "0 differ" in ended.out
    assert "OPA is not installed" in ended.out


async def test_a_case_that_is_decided_otherwise_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("*_test.rego"))
    data = (folder / "data.json").read_text().replace("86400", "60")
    (folder / "data.json").write_text(data)
    ended = await agentos("policy", "test", str(folder), PATH="/nonexistent")
    assert ended.code == 1
    assert "a comment is held for approval" in ended.out


QUESTION = json.dumps({"principal": {"kind": "api_key", "id": "ann", "roles": ["viewer"]}, "action": "keys.manage"})


async def test_a_question_is_answered_and_explained_rule_by_rule() -> None:
    answered = await agentos("policy", "eval", "--package", "api", "--input", "-", stdin=QUESTION)
    assert answered.json()["reasons"] == ["role.missing"]
    explained = await agentos("policy", "explain", "--package", "api", "--input", "-", "--json", stdin=QUESTION)
    (said,) = explained.json()
    fired = {rule["rule"]: rule["fired"] for rule in said["rules"]}
    assert fired == {"api.principal_kind": False, "api.known_action": False, "api.role_permits": True}
    shown = await agentos("policy", "explain", "--package", "api", "--input", "-", "--text", stdin=QUESTION)
    assert "if not role_permits" in shown.out


@pytest.mark.parametrize("given", ["[]", "nonsense"])
async def test_what_is_no_question_is_refused_in_a_line(given: str) -> None:
    ended = await agentos("policy", "eval", "--package", "api", "--input", "-", stdin=given)
    assert ended.code == 2
    assert len(ended.err.strip().splitlines()) == 1


async def test_a_difference_is_shown_in_text_settings_and_decisions(candidate: Path) -> None:
    alike = await agentos("policy", "diff", str(BUNDLE), str(BUNDLE))
    assert (alike.code, "both are the same rules" in alike.out) == (0, True)
    differs = await agentos("policy", "diff", str(BUNDLE), str(candidate))
    assert differs.code == 1
    assert "rule api.principal_kind" in differs.out
    assert "removed" in differs.out
    assert "config.roles.approver" in differs.out
    assert "approval: an approver approves" in differs.out


async def test_a_backtest_of_an_export_says_what_would_change_and_for_whom(candidate: Path, export: Path) -> None:
    same = await agentos("policy", "backtest", "--bundle", str(BUNDLE), "--file", str(export), "--fail-on-change")
    assert (same.code, "3 decisions, 0 would differ" in same.out) == (0, True), same.err
    other = await agentos("policy", "backtest", "--bundle", str(candidate), "--file", str(export), "--fail-on-change", "--json")
    assert other.code == 1
    changes = [(change["past"]["id"], change["past"]["verdict"], change["verdict"]) for change in other.json()["changes"]]
    assert changes == [("a1", "allow", "deny"), ("a2", "allow", "deny")]
    newest = await agentos("policy", "backtest", "--bundle", str(candidate), "--file", str(export), "--last", "1")
    assert "1 decisions, 0 would differ" in newest.out
    shown = await agentos("policy", "backtest", "--bundle", str(candidate), "--file", str(export))
    assert "ann" in shown.out
    assert "approver.role_missing" in shown.out
    none = await agentos("policy", "backtest", "--bundle", str(candidate), "--file", str(export), "--kind", "tool")
    assert "0 decisions" in none.out


async def test_a_backtest_asks_again_what_packs_wanted_to_ask_persons(tmp_path: Path) -> None:
    question = CheckpointQuestion(
        tenant="default", task="t1", task_type="triage", pack="engineering", agent="a", asked_so_far=3
    )
    body = {**ruling(question, EmbeddedEvaluator().decide_now(question)), "context": {}, "digest": "d"}
    candidate = tmp_path / "candidate"
    shutil.copytree(BUNDLE, candidate, ignore=shutil.ignore_patterns("*.cases.json", "*_test.rego"))
    data = json.loads((candidate / "data.json").read_text())
    data["config"]["checkpoints"]["max_per_task"] = 3
    (candidate / "data.json").write_text(json.dumps(data))
    event = Event(1, "evt.default.checkpoint.c1.decided", {}, json.dumps(body).encode(), b"h" * 32)
    file = tmp_path / "audit.jsonl"
    file.write_bytes(header_line(Header(b"k" * 32, 1, b"h" * 32)) + event_line(event, event.hash))
    told = await agentos(
        "policy", "backtest", "--bundle", str(candidate), "--file", str(file), "--kind", "checkpoint", "--json"
    )
    (change,) = told.json()["changes"]
    assert (change["past"]["verdict"], change["verdict"], change["reasons"]) == ("allow", "deny", ["limit.checkpoints"])


async def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("{}\n")
    ended = await agentos("policy", "backtest", "--bundle", str(BUNDLE), "--file", str(file))
    assert ended.code == 2
    assert "audit export" in ended.err


async def test_a_key_that_others_can_read_signs_nothing(tmp_path: Path) -> None:
    signing = tmp_path / "policy.key"
    load_or_create(signing)
    signing.chmod(0o644)
    ended = await agentos("policy", "sign", str(BUNDLE), "--version", "1", "-o", str(tmp_path / "b"), "--key", str(signing))
    assert ended.code == 2
    assert "chmod 600" in ended.err


async def test_what_is_signed_without_a_key_is_signed_with_the_installations_own(tmp_path: Path) -> None:
    own = load_or_create(tmp_path / "data" / "secrets" / "policy.key")
    bundle = tmp_path / "bundle.json"
    ended = await agentos(
        "policy", "sign", str(BUNDLE), "--version", "1", "-o", str(bundle), AGENTOS_DATA=str(tmp_path / "data")
    )
    assert ended.code == 0, ended.err
    assert verify(json.loads(bundle.read_text()), trusted([public_text(own.public_key())])).version == 1


async def embedded(content: Bundle) -> PolicyEvaluator:
    return EmbeddedEvaluator(content)


@pytest.fixture
async def serving(edge: Any, broker: Any, tmp_path: Path) -> AsyncIterator[ActivePolicy]:
    """The policy service's part in publishing, behind the gateway."""
    signing = load_or_create(tmp_path / "policy.key")
    bus = await broker.connect("policy")
    active = ActivePolicy(EmbeddedEvaluator())
    bundles = Bundles(bus, active, embedded, trusted([public_text(signing.public_key())]))
    bus.consume(bundles.routes())
    await bus.start()
    following = asyncio.create_task(bundles.follow())
    yield active
    await end(following)
    await active.close()


async def test_rules_are_signed_published_listed_and_refused_a_second_time(
    edge: Any, serving: ActivePolicy, candidate: Path, tmp_path: Path
) -> None:
    async def run(*arguments: str) -> Ended:
        return await agentos("policy", *arguments, url=edge.url, AGENTOS_API_KEY=edge.admin_key)

    assert "nothing is published" in (await run("list")).out
    bundle = tmp_path / "bundle.json"
    signed = await run("sign", str(candidate), "--version", "3", "-o", str(bundle), "--key", str(tmp_path / "policy.key"))
    assert signed.code == 0, signed.err
    published = await run("publish", str(bundle), "--json")
    assert published.code == 0, published.err
    await edge.backend.eventually(lambda: serving.version == 3)
    assert serving.revision == published.json()["revision"]
    assert [one["version"] for one in (await run("list", "--json")).json()["items"]] == [3]
    again = await run("publish", str(bundle))
    assert again.code == 1
    assert "not newer" in again.err
    tampered = tmp_path / "tampered.json"
    tampered.write_text(bundle.read_text().replace('"version":3', '"version":4'))
    forged = await run("publish", str(tampered))
    assert forged.code == 1
    assert "signature" in forged.err
    viewer = await agentos("policy", "publish", str(bundle), url=edge.url, AGENTOS_API_KEY=await edge.key("viewer"))
    assert viewer.code == 1
    assert "Forbidden" in viewer.err


async def test_stored_decisions_are_explained_and_tested_against_other_rules(edge: Any, broker: Any, candidate: Path) -> None:
    policy = await broker.connect("policy")
    for n, (who, role) in enumerate((("ann", "approver"), ("eve", "viewer"))):
        ruled = ApprovalRuled.model_validate(decided(who, role))
        await policy.append("approval.ruled", f"appr{n}", ruled, tenant="default", ordinal=1)
    asked = tool_call()
    revised = ApprovalRevised(
        **ruling(asked, EmbeddedEvaluator().decide_now(asked)),
        context=context(), by=Principal(kind="api_key", id="ann"), base_digest="d" * 64,
    )  # fmt: skip
    await policy.append("approval.revised", "appr1", revised, tenant="default", ordinal=1)
    await edge.backend.eventually(lambda: len(edge.backend.ledger.events) >= 3)

    async def run(*arguments: str) -> Ended:
        return await agentos("policy", *arguments, url=edge.url, AGENTOS_API_KEY=edge.admin_key)

    tested = await run("backtest", "--bundle", str(candidate), "--json")
    assert tested.code == 0, tested.err
    assert [(c["past"]["id"], c["verdict"]) for c in tested.json()["changes"]] == [("appr0", "deny")]
    assert tested.json()["asked"] == 3
    both = (await run("explain", "appr1", "--json")).json()
    assert {said["kind"]: said["decision"]["reasons"] for said in both} == {
        "approval": ["approver.role_missing"],
        "edit": list(revised.reasons),
    }
    explained = await run("explain", "appr1", "--kind", "approval")
    assert "approver.role_missing" in explained.out
    assert (await run("explain", "nobody")).code == 2
