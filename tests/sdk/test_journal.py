"""The journal is a fold over pure events; a step is its ordinal, kind and digest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.sdk.errors import NonDeterminismError
from agentos.sdk.journal import Answer, Answered, Asked, Journal, Step, canonical, epoch_of, step_digest

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_the_canonical_text_does_not_depend_on_the_order_of_keys(value: object) -> None:
    def backwards(item: object) -> object:
        if isinstance(item, dict):
            return {k: backwards(v) for k, v in reversed(list(item.items()))}
        return [backwards(v) for v in item] if isinstance(item, list) else item

    assert canonical(backwards(value)) == canonical(value)


def test_the_same_request_under_another_kind_is_another_step() -> None:
    assert step_digest("model", {"a": 1}) != step_digest("tool", {"a": 1})


def test_asking_again_adds_nothing_and_asking_differently_is_an_error_that_names_the_step() -> None:
    step = Step(0, "now", "d" * 64)
    journal = Journal().evolve(Asked(step))
    assert journal.decide(step) == []
    with pytest.raises(NonDeterminismError, match="step 0 is recorded as now dddddddddddd"):
        journal.decide(Step(0, "random", "d" * 64))


def test_answers_are_delivered_in_their_recorded_order() -> None:
    journal = Journal()
    for ordinal, order in ((0, 7), (1, 3), (2, 5)):
        journal = journal.evolve(Answered(ordinal, Answer(True, None), order))
    first = journal.next_answer([0, 2])
    assert first is not None
    assert first.ordinal == 2
    assert journal.next_answer([9]) is None


@pytest.mark.parametrize(
    ("step", "attempts", "epoch"),
    [
        (0, [(1, None)], 1),
        (3, [(1, None), (2, 3)], 2),
        (2, [(1, None), (2, 3)], 1),
        (5, [(1, None), (2, 3), (3, None), (4, 5)], 4),
    ],
)
def test_a_step_is_of_the_attempt_that_last_made_it_anew(step: int, attempts: list[tuple[int, int | None]], epoch: int) -> None:
    assert epoch_of(step, attempts) == epoch
