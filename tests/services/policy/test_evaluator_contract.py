"""What every policy evaluator does: one suite, run on the embedded evaluator and on a real OPA server, and on both together."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agentos.contracts.errors import Unavailable
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import BUNDLE, Bundle, PolicyEvaluator, read_bundle
from services.policy.opa import OpaEvaluator
from services.policy.questions import (
    BY_PACKAGE,
    Action,
    AdmissionQuestion,
    ApiQuestion,
    ApprovalQuestion,
    Asker,
    BudgetQuestion,
    CheckpointQuestion,
    Effects,
    History,
    ModelCallQuestion,
    PendingApproval,
    Question,
    RedactionQuestion,
    RoutingQuestion,
    ToolCallQuestion,
    TriggerQuestion,
    Window,
    WindowTotals,
)
from services.policy.tables import Case, judged, merged
from services.policy.trial import rules_in
from tests.opa import opa_binary
from tests.services.policy.cases import CASES, api, model_call
from tests.services.policy.conftest import BundleOf

PATIENT = timedelta(seconds=30)


@pytest.fixture(params=["embedded", pytest.param("opa", marks=pytest.mark.opa)])
async def evaluator(request: pytest.FixtureRequest) -> AsyncIterator[PolicyEvaluator]:
    if request.param == "embedded":
        made: PolicyEvaluator = EmbeddedEvaluator()
    else:
        made = await OpaEvaluator.connect(request.getfixturevalue("opa_url"), read_bundle(), answer_within=PATIENT)
    yield made
    await made.close()


def label(case: Case) -> str:
    return f"{case.package.removeprefix('agentos/')}-{case.note}".replace(" ", "_")


@pytest.mark.parametrize("case", [case for case in CASES if not case.own_config and case.question], ids=label)
async def test_each_question_is_decided_as_written(evaluator: PolicyEvaluator, case: Case) -> None:
    assert case.question is not None
    decision = await evaluator.decide(case.question)
    assert case.faults(decision) == []
    assert decision.rules
    assert decision.revision == evaluator.revision


def test_the_embedded_evaluator_decides_every_case_as_written_under_its_own_configuration() -> None:
    wrong = {label(case): faults for case, faults in judged(read_bundle(), CASES) if faults}
    assert wrong == {}


@pytest.mark.parametrize("package", BY_PACKAGE)
def test_every_package_has_cases(package: str) -> None:
    assert {case.want["verdict"] for case in CASES if case.package == package} >= {"allow", "deny"}


async def test_the_revision_names_the_rules_and_not_their_place(evaluator: PolicyEvaluator) -> None:
    assert evaluator.revision == EmbeddedEvaluator().revision
    assert len(evaluator.revision) == 64


async def test_after_close_nothing_is_decided(evaluator: PolicyEvaluator) -> None:
    await evaluator.close()
    with pytest.raises(Unavailable):
        await evaluator.decide(model_call())


async def test_many_questions_at_once_get_their_own_answers(evaluator: PolicyEvaluator) -> None:
    decisions = await asyncio.gather(*(evaluator.decide(model_call(max_output_tokens=n)) for n in range(1, 65)))
    assert [decision.obligations["max_output_tokens"] for decision in decisions] == list(range(1, 65))


async def test_the_embedded_evaluator_may_be_asked_from_many_threads() -> None:
    evaluator = EmbeddedEvaluator()

    def ask(n: int) -> object:
        return evaluator.decide_now(model_call(max_output_tokens=n)).obligations["max_output_tokens"]

    asked = [n % 32000 + 1 for n in range(400)]
    assert await asyncio.gather(*(asyncio.to_thread(ask, n) for n in asked)) == asked


@pytest.mark.parametrize("name", ["a\0b", "a\nb", 'a"b', "a\\b", "\ud800", "", "x" * 257])
def test_a_name_that_an_evaluator_could_misread_is_refused_before_it_is_asked(name: str) -> None:
    with pytest.raises(ValidationError):
        model_call(agent=name)


# What the two evaluators must never do differently: any question at all.

words = st.sampled_from(
    ["engineering", "github.comment", "github.get_issue", "local.note", "local.*", "admin", "viewer", "approver"]
)
plain = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters='"\\'), min_size=1, max_size=12)
name = words | plain
names = st.lists(name, max_size=5).map(tuple)
askers = st.builds(Asker, kind=st.sampled_from(["api_key", "webhook", "pack", "service"]), id=name, roles=names)
count = st.integers(0, 250_000) | st.integers(0, 2**53 - 1)
sums = st.builds(
    WindowTotals,
    calls=st.integers(0, 50),
    failed=st.integers(0, 50),
    decided=st.integers(0, 50),
    denied=st.integers(0, 50),
    spent_microusd=st.integers(0, 20_000_000),
)
effects = st.builds(Effects, read=count, write=count, egress=count)
windows = st.builds(Window, models=count, tools=count, effects=effects, denied=count, spent_microusd=count)
labels = st.lists(st.sampled_from(["untrusted", "injection.suspected"]) | name, max_size=3, unique=True).map(tuple)
histories = st.just(History()) | st.builds(
    History,
    labels=labels,
    sources=names,
    declared=names,
    calls=st.dictionaries(name, count, max_size=3),
    effects=effects,
    models=count,
    denied=count,
    spent_microusd=count,
    windows=st.dictionaries(st.sampled_from(["minute", "hour"]), windows),
)
providers = st.sampled_from(["anthropic", "ollama", "openai", "simulated"]) | plain

questions: st.SearchStrategy[Question] = st.one_of(
    st.builds(
        AdmissionQuestion,
        tenant=name,
        task_type=name,
        pack=st.none() | name,
        requester=askers,
        attempt=st.integers(0, 30),
        priority=st.sampled_from(["high", "normal", "low"]),
        labels=st.dictionaries(name, plain, max_size=4),
        known_task_types=names,
        known_packs=names,
        kill=st.just(()) | names,
    ),
    st.builds(
        ModelCallQuestion,
        tenant=name,
        task=name,
        pack=name,
        agent=name,
        model=name,
        estimated_input_tokens=count,
        max_output_tokens=count,
        data_classes=names,
        redacted=st.booleans(),
        calls_so_far=st.integers(0, 120),
        history=histories,
    ),
    st.builds(
        ToolCallQuestion,
        tenant=name,
        task=name,
        pack=name,
        agent=name,
        tool=name,
        declared_tools=names,
        effect=st.sampled_from(["read", "write", "egress"]),
        untrusted=st.booleans(),
        history=histories,
    ),
    st.builds(
        RoutingQuestion,
        kind=st.sampled_from(["task", "model"]),
        tenant=name,
        task_type=name,
        pack=name,
        candidates=st.lists(providers | name, max_size=4).map(tuple),
        untrusted=st.booleans(),
        data_classes=names,
    ),
    st.builds(
        RedactionQuestion,
        tenant=name,
        pack=name,
        agent=name,
        task_type=name,
        kind=st.sampled_from(["model", "tool"]),
        model=name | st.builds("{}/{}".format, providers, plain),
        labels=labels,
    ),
    st.builds(
        CheckpointQuestion,
        tenant=name,
        task=name,
        task_type=name,
        pack=name,
        agent=name,
        untrusted=st.booleans(),
        asked_so_far=st.integers(0, 25),
    ),
    st.builds(
        ApprovalQuestion,
        principal=askers,
        approval=st.builds(PendingApproval, requested_by=name, approver_roles=names, four_eyes=st.booleans()),
        outcome=st.sampled_from(["approved", "rejected"]),
        voted_already=names,
        delegated_from=st.none() | askers,
        delegation_in_force=st.booleans(),
        edited_by=names,
        digest_matches=st.booleans(),
    ),
    st.builds(
        BudgetQuestion,
        tenant=name,
        pack=name,
        agent=name,
        task=name,
        task_type=name,
        requester=askers,
        user=name,
        model=name,
        providers=names,
    ),
    st.builds(ApiQuestion, principal=askers, action=st.sampled_from(get_args(Action)) | name),
    st.builds(
        TriggerQuestion,
        tenant=name,
        scope=st.sampled_from(["tenant", "pack", "agent", "provider", "model", "tool"]),
        target=name,
        windows=st.fixed_dictionaries({"1m": sums, "5m": sums}),
    ),
)


MONITORING = merged(
    read_bundle().config,
    {
        "modes": dict.fromkeys(
            sorted(rule for source in read_bundle().modules.values() for rule in rules_in(source)), "monitor"
        ),
        "routing": {
            "packs": {"engineering": {"tenants": ["admin"], "trusted_only": True}},
            "providers": {"openai": {"packs": []}},
        },
        "data_classes": {"denied": ["engineering"], "providers": {"local.note": ["ollama"], "admin": []}},
        "models": {"denied": ["viewer"], "allowed": ["admin", "viewer"]},
    },
)
"""Every rule that may be monitored is, and more of them have something to say."""


@pytest.mark.opa
@pytest.mark.parametrize("config", [read_bundle().config, MONITORING], ids=["shipped", "monitoring"])
def test_both_evaluators_decide_any_question_alike(opa_url: str, config: dict[str, Any]) -> None:
    bundle = Bundle(read_bundle().modules, config)
    embedded = EmbeddedEvaluator(bundle)

    with asyncio.Runner() as runner:
        server = runner.run(OpaEvaluator.connect(opa_url, bundle, answer_within=PATIENT, look_every=timedelta(hours=1)))
        try:

            @settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            @given(questions)
            def alike(question: Question) -> None:
                assert runner.run(server.decide(question)) == embedded.decide_now(question)

            alike()
        finally:
            runner.run(server.close())


# The shipped rules hold no trigger, so that generated questions reach none of them.
TRIGGERS = [
    {"name": "spend", "scope": "pack", "metric": "spend_usd", "window": "1m", "limit": 2.5, "mode": "drain", "cool_down_s": 600},
    {"name": "errors", "scope": "provider", "target": "engineering", "metric": "error_rate", "window": "5m", "limit": 0.5,
     "min_count": 5, "mode": "halt", "cool_down_s": 300},
    {"name": "denials", "scope": "pack", "metric": "denial_rate", "window": "1m", "limit": 0.8, "min_count": 10, "mode": "halt",
     "cool_down_s": 60},
]  # fmt: skip


@pytest.mark.opa
def test_both_evaluators_trip_alike(opa_url: str) -> None:
    shipped = read_bundle()
    bundle = Bundle(shipped.modules, {**shipped.config, "kill": {"triggers": TRIGGERS}})
    embedded = EmbeddedEvaluator(bundle)
    asked = [
        TriggerQuestion(
            tenant="acme",
            scope=scope,
            target=target,
            windows={
                "1m": WindowTotals(calls=calls, failed=calls // 2, decided=10, denied=denied, spent_microusd=spent),
                "5m": WindowTotals(calls=calls, failed=calls // 2),
            },
        )
        for scope in ("pack", "provider", "tenant")
        for target in ("engineering", "sales")
        for calls, denied, spent in ((0, 0, 0), (9, 8, 2_500_000), (10, 7, 2_499_999), (4, 10, 100_125_000))
    ]
    with asyncio.Runner() as runner:
        server = runner.run(OpaEvaluator.connect(opa_url, bundle, answer_within=PATIENT, look_every=timedelta(hours=1)))
        answers = [runner.run(server.decide(question)) for question in asked]
        runner.run(server.close())
    assert answers == [embedded.decide_now(question) for question in asked]
    assert {answer.verdict for answer in answers} == {"allow", "deny"}


@pytest.mark.opa
def test_the_tests_beside_the_rules_pass_in_opa_itself_and_reach_every_line() -> None:
    ran = subprocess.run([opa_binary(), "test", "--timeout", "10m", str(BUNDLE)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    measured = subprocess.run(
        [opa_binary(), "test", "--timeout", "10m", "--coverage", str(BUNDLE)], capture_output=True, text=True, check=False
    )
    files = json.loads(measured.stdout)["files"]
    unreached = {
        name: [at["start"]["row"] for at in found["not_covered"]] for name, found in files.items() if found.get("not_covered")
    }
    assert unreached == {}
    assert {Path(name).name for name in files} >= {path.name for path in BUNDLE.glob("*.rego")}


@pytest.mark.opa
def test_the_rules_are_strict_and_formatted() -> None:
    listed = subprocess.run([opa_binary(), "fmt", "--list", str(BUNDLE)], capture_output=True, text=True, check=False)
    assert listed.stdout == ""
    checked = subprocess.run([opa_binary(), "check", "--strict", str(BUNDLE)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


# Other data and broken rules: each evaluator over the same folder.


def without_others(*kept: str) -> dict[str, None]:
    """For ``bundle_of``: no other package. A server compiles all it holds at each of a bundle's modules."""
    return {f"{file.stem}__rego": None for file in BUNDLE.glob("*.rego") if file.stem not in kept}


async def asked_of(kind: str, request: pytest.FixtureRequest, folder: Path, question: Question) -> tuple[str, ...] | str:
    """The reasons that one evaluator over ``folder`` gives, or the code of the error that it raises."""
    bundle = read_bundle(folder)
    try:
        if kind == "embedded":
            return (await EmbeddedEvaluator(bundle).decide(question)).reasons
        evaluator = await OpaEvaluator.connect(request.getfixturevalue("opa_url"), bundle, answer_within=PATIENT)
        try:
            return (await evaluator.decide(question)).reasons
        finally:
            await evaluator.close()
    except Unavailable as error:
        return error.code


each = pytest.mark.parametrize("kind", ["embedded", pytest.param("opa", marks=pytest.mark.opa)])


@each
async def test_data_changes_decisions_without_a_change_of_rules(
    kind: str, request: pytest.FixtureRequest, bundle_of: BundleOf
) -> None:
    data = json.loads((BUNDLE / "data.json").read_text())
    data["config"]["data_classes"]["providers"] = {"CREDIT_CARD": ["ollama", "openai"], "EMAIL_ADDRESS": ["anthropic"]}
    data["config"]["packs"]["engineering"]["limits"]["max_calls_per_task"] = 0
    folder = bundle_of(**without_others("model_call", "tool_call", "history", "lib"), data__json=json.dumps(data))
    assert await asked_of(kind, request, folder, model_call()) == ("limit.calls", "provider.none_permitted")


@each
@pytest.mark.parametrize(
    ("rule", "code"),
    [
        pytest.param(None, "policy.undefined", id="no_such_package"),
        pytest.param("x := 1", "policy.undefined", id="no_such_rule"),
        pytest.param('decision := {} if input.action == "never"', "policy.undefined", id="no_value"),
        pytest.param("decision := 1 if input.action\n\ndecision := 2 if input.action", "policy.error", id="conflict"),
        pytest.param("decision := true", "policy.nonsense", id="a_boolean"),
        pytest.param('decision := "allow"', "policy.nonsense", id="a_string"),
        pytest.param('decision := {"verdict": "allow"}', "policy.nonsense", id="missing_fields"),
        pytest.param(
            'decision := {"verdict": "ALLOW", "reasons": ["r"], "rules": ["r"], "monitored": [], "obligations": {}}',
            "policy.nonsense",
            id="verdict",
        ),
        pytest.param(
            'decision := {"verdict": "allow", "reasons": [], "rules": ["r"], "monitored": [], "obligations": {}}',
            "policy.nonsense",
            id="no_reason",
        ),
        pytest.param(
            'decision := {"verdict": "allow", "reasons": "r", "rules": ["r"], "monitored": [], "obligations": {}}',
            "policy.nonsense",
            id="type",
        ),
        pytest.param(
            'decision := {"verdict": "allow", "reasons": [1], "rules": ["r"], "monitored": [], "obligations": {}}',
            "policy.nonsense",
            id="inner_type",
        ),
        pytest.param(
            'decision := {"verdict": "allow", "reasons": ["r"], "rules": ["r"], "monitored": [], "obligations": {}, "more": 1}',
            "policy.nonsense",
            id="unknown_field",
        ),
    ],
)
async def test_rules_that_do_not_decide_make_no_decision(
    kind: str, rule: str | None, code: str, request: pytest.FixtureRequest, bundle_of: BundleOf
) -> None:
    own = None if rule is None else f"package agentos.api\n\n{rule}\n"
    folder = bundle_of(**without_others("api", "approval", "lib"), api__rego=own)
    assert await asked_of(kind, request, folder, api("tasks.read", "admin")) == code


@pytest.mark.parametrize(
    ("replaced", "code"),
    [
        ({"api__rego": "package agentos.api\n\ndecision := {"}, "policy.uncompilable"),
        ({"api__rego": "decision := 1"}, "policy.bundle_unreadable"),
        ({"api__rego": "package agentos.approval"}, "policy.bundle_unreadable"),
        ({"data__json": "{"}, "policy.bundle_unreadable"),
        ({"data__json": "[]"}, "policy.bundle_unreadable"),
        ({"data__json": None}, "policy.bundle_unreadable"),
    ],
)
def test_a_broken_bundle_is_refused_at_the_start(replaced: dict[str, str | None], code: str, bundle_of: BundleOf) -> None:
    with pytest.raises(Unavailable) as caught:
        EmbeddedEvaluator(read_bundle(bundle_of(**replaced)))
    assert caught.value.code == code


def test_a_changed_datum_changes_the_revision(bundle_of: BundleOf) -> None:
    data = (BUNDLE / "data.json").read_text().replace("86400", "3600")
    assert EmbeddedEvaluator(read_bundle(bundle_of(data__json=data))).revision != EmbeddedEvaluator().revision
