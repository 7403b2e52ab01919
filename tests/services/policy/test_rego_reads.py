"""What a bundle's rules can tell apart: read off their source, and never less than they can."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle, read_bundle
from services.policy.questions import Decision, History, ModelCallQuestion, Question, Window
from services.policy.rego_reads import Use, reads_of
from tests.services.policy.cases import model_call
from tests.services.policy.test_evaluator_contract import MONITORING, questions


def rules(body: str) -> dict[str, str]:
    return {"agentos.api": f"package agentos.api\n\n{body}\n"}


def use(body: str, *path: str, config: Any = None) -> Use | None:
    """How ``body`` uses the place at ``path``; None where its answers are not remembered."""
    reads = reads_of(rules(body), config or {}, "agentos/api")
    return None if reads is None else reads.use_of(*path)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("d if is_number(input.x)", Use.TYPE),
        ("d if input.x < 3", Use.RANK),
        ("d if 3 >= input.x", Use.RANK),
        ("d if not input.x == data.config.n", Use.RANK),
        ("d if {\n\tsome k, most in data.config.all\n\tinput.x > most\n}", Use.RANK),
        ("d if {\n\tis_number(input.x)\n\tinput.x > 3\n}", Use.RANK),
        ("d := input.x", Use.VALUE),
        ("d := {1: input.x}", Use.VALUE),
        ("d if f(input.x)\n\nf(y) if y > 1", Use.VALUE),
        ("d if input.x in [1, 2]", Use.VALUE),
        ("d if input.x", Use.VALUE),
        ("d := x if x := input.x", Use.VALUE),
        ("d := input.x > 3", Use.VALUE),
        ("d if input.x < input.y", Use.VALUE),
        ("d if input.x <\n\t3", Use.VALUE),
        ("d if input.x < count(input.list)", Use.VALUE),
        ("d if input.x < data.config.n * 2", Use.VALUE),
        ("d if {\n\tn := sum(input.list)\n\tinput.x < n\n}", Use.VALUE),
        ("d if {\n\tn := count(input.list)\n\tinput.x < n\n}", Use.VALUE),
        ('d if {\n\tsome i, c in split("a/b/c", "/")\n\tinput.x < i\n}', Use.VALUE),
        ("d if {\n\tmade[i]\n\tinput.x < i\n}\n\nmade := [1, 2, 3]", Use.VALUE),
        ("d if { y := input\n\ty.x > 3 }", Use.VALUE),
        ("import input.x as y\n\nd if y > 3", Use.VALUE),
        ("d if input[data.config.name] > 3", Use.NONE),
    ],
)
def test_a_place_is_used_as_the_words_around_it_say(body: str, expected: Use) -> None:
    assert use(body, "x") is expected


def test_a_place_beneath_any_key_is_told_from_those_with_a_name() -> None:
    body = "d if {\n\tsome w, most in data.config.all\n\tinput.windows[w].spent >= most\n}"
    assert use(body, "windows", "*", "spent") is Use.RANK


def test_a_word_in_a_string_or_a_comment_is_no_use() -> None:
    assert use('# input.x\nd := "input.x"\n\ne := `input.x\n#`', "x") is Use.NONE


@pytest.mark.parametrize(
    "body",
    [
        "d if time.now_ns() > input.x",
        'd if http.send({"url": "x"})',
        "d if rand.intn(1, 2) == input.x",
        "d if something_new(input.x)",
        'd := $"{input.x}"',
        "d := e with input.x as 3",
        "d := e with data.config as input.x",
        "d if data.agentos[input.x](1)",
        "d if {\n\twalk(input.x, y)\n}",
        "d if\n\tnew(input.x)",
        "d if {\n\tnew(input.x) == 3\n\tnew(3) = input.x\n}",
        "d if is_number(input.x)\n\nis_number(y) if y > 3",
    ],
)
def test_rules_that_are_not_understood_are_not_remembered(body: str) -> None:
    assert use(body, "x") is None


def test_what_another_package_reads_counts_where_it_is_reached() -> None:
    modules = {
        "agentos.api": "package agentos.api\n\nimport data.agentos.lib\n\nd if lib.ok",
        "agentos.lib": "package agentos.lib\n\nok if input.x == data.acme.y",
        "acme": "package acme\n\ny := input.y",
        "agentos.other": "package agentos.other\n\nd := time.now_ns(1)",
    }
    reads = reads_of(modules, {}, "agentos/api")
    assert reads is not None
    assert (reads.use_of("x"), reads.use_of("y")) == (Use.RANK, Use.VALUE)
    assert reads_of({**modules, "acme": "package acme\n\ny := data.agentos[input.p].d"}, {}, "agentos/api") is None


def key(asked: Mapping[str, Any], body: str, config: Any = None) -> Any:
    reads = reads_of(rules(body), config or {}, "agentos/api")
    assert reads is not None
    return reads.key(asked)


def test_numbers_are_alike_between_the_same_thresholds() -> None:
    body, config = "d if input.x <= data.config.most", {"most": 100}
    same = [key({"x": x}, body, config) for x in (7, 99)]
    others = [key({"x": x}, body, config) for x in (100, 101, "7", None)]
    assert same[0] == same[1]
    assert len({same[0], *others}) == 5


def test_a_number_elsewhere_in_the_input_is_a_threshold() -> None:
    body = "d if {\n\ty := input.y\n\tinput.x < y\n}"
    assert key({"x": 50, "y": 60}, body) != key({"x": 61, "y": 60}, body)
    assert key({"x": 50, "y": 60}, body) == key({"x": 59, "y": 60}, body)


def test_a_number_that_may_be_compared_with_an_index_is_itself() -> None:
    body = "d if {\n\tsome i, one in input.list\n\tinput.x < i\n}"
    listed = {"list": ["a", "b", "c", "d"]}
    assert key({"x": 1, **listed}, body) != key({"x": 2, **listed}, body)


def test_what_json_tells_apart_is_told_apart() -> None:
    keys = [key({"x": x}, "d := input.x") for x in (1, True, "1", None, [1], [True], {"a": 1}, [], {})]
    assert len(set(keys)) == len(keys)
    assert key({}, "d := input.x") not in keys


def test_calls_that_differ_in_task_and_in_how_much_they_spent_are_alike() -> None:
    reads = reads_of(read_bundle().modules, read_bundle().config, "agentos/model_call")
    assert reads is not None

    def of(spent: int, **change: Any) -> Any:
        history = History(models=spent, spent_microusd=spent, windows={"hour": Window(models=spent, spent_microusd=spent)})
        return reads.key(model_call(history=history, **change).model_dump(mode="json"))

    assert of(40_000, task="t1", estimated_input_tokens=1_100) == of(80_000, task="t2", estimated_input_tokens=2_900)
    assert of(100) != of(50_000_001)
    assert of(100, calls_so_far=99) != of(100, calls_so_far=100)


@pytest.mark.parametrize("config", [read_bundle().config, MONITORING], ids=["shipped", "monitoring"])
def test_what_is_remembered_is_what_the_rules_say(config: dict[str, Any]) -> None:
    """Any question at all, asked of one evaluator that remembers all that came before."""
    bundle = Bundle(read_bundle().modules, config)
    evaluator = EmbeddedEvaluator(bundle)

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(questions)
    def alike(question: Question) -> None:
        assert evaluator.decide_now(question) == evaluator.answer(question.package, question.model_dump(mode="json"))

    alike()


around = st.sampled_from([0, 1, 23, 24, 25, 99, 100, 101, 299, 300, 8_191, 31_999, 32_000, 32_001, 200_000, 200_001])
spent = st.sampled_from([0, 1, 49_999_999, 50_000_000, 50_000_001])


windows = st.builds(Window, models=around, spent_microusd=spent, denied=around)
near_limits = st.builds(
    ModelCallQuestion,
    tenant=st.just("acme"), task=st.sampled_from(["t1", "t2"]), pack=st.just("engineering"), agent=st.just("a"),
    model=st.just("default"), estimated_input_tokens=around, max_output_tokens=around, redacted=st.booleans(), calls_so_far=around,
    data_classes=st.sampled_from([(), ("EMAIL_ADDRESS",)]),
    history=st.builds(
        History, labels=st.sampled_from([(), ("untrusted",)]), spent_microusd=spent,
        windows=st.fixed_dictionaries({"hour": windows, "minute": windows}),
    ),
)  # fmt: skip
REMEMBERING = EmbeddedEvaluator()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(near_limits)
def test_on_both_sides_of_every_limit_what_is_remembered_is_what_the_rules_say(question: ModelCallQuestion) -> None:
    assert REMEMBERING.decide_now(question) == REMEMBERING.answer(question.package, question.model_dump(mode="json"))


class Counting(EmbeddedEvaluator):
    """Counts what is worked out."""

    asked = 0

    def answer(self, package: str, asked: Mapping[str, Any]) -> Decision:
        self.asked += 1
        return super().answer(package, asked)


def test_a_decision_is_worked_out_once_for_all_like_questions() -> None:
    evaluator = Counting()
    for number in range(50):
        evaluator.decide_now(model_call(task=f"t{number}", estimated_input_tokens=1_100 + number))
    assert evaluator.asked == 1
