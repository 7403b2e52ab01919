"""Where data keys stand: names lead to entries and back, and erasing one changes nothing of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.ids import call_id, derived_id, is_token, new_id
from agentos.sealing.blocks import BLOCK_KEYS, Place, block_entry, block_names, block_value, place_of
from agentos.sealing.master import WRAPPED_BYTES

WRAPPED = [bytes([n + 1]) * WRAPPED_BYTES for n in range(BLOCK_KEYS)]
SLOT = st.integers(0, BLOCK_KEYS - 1)


def test_each_name_of_a_block_is_a_token_of_its_own_and_leads_to_its_key() -> None:
    block = new_id()
    names = block_names(block)
    assert len(set(names)) == BLOCK_KEYS
    assert all(map(is_token, names))
    assert {place_of(name).entry for name in names} == {block_entry(block)}
    assert [place_of(name).find(block_value(WRAPPED)) for name in names] == WRAPPED


UUID = "01a1fd54-9e35-7f72-9d61-4261a72e3f4f"


@pytest.mark.parametrize(
    "name",
    [
        UUID,
        derived_id("endpoint.task", "default", "key", "group"),
        call_id(UUID, 3, 1),
        "family",
        "12",
        f"{UUID}-",
        f"{UUID}-01",
        f"{UUID}-100",
        f"{UUID.upper()}-1",
        f"{UUID}-1-1",
        f"{UUID}-１",
    ],
)
def test_a_task_family_has_an_entry_of_its_own(name: str) -> None:
    assert place_of(name) == Place(name, None)


@given(erased=st.lists(SLOT), nth=SLOT)
def test_a_key_is_found_until_it_is_erased_in_whatever_order_others_are(erased: list[int], nth: int) -> None:
    names, value = block_names(new_id()), block_value(WRAPPED)
    for each in erased:
        value = place_of(names[each]).without(value)
    place = place_of(names[nth])
    assert place.find(value) == (None if nth in erased else WRAPPED[nth])
    assert place.made(value)
    assert (place.without(value) == value) is (nth in erased)
    assert all(WRAPPED[each] not in value for each in erased)


def test_of_an_entry_that_is_missing_erased_or_shorter_nothing_is_found() -> None:
    beyond = place_of(f"{new_id()}-{BLOCK_KEYS}")
    assert (beyond.find(block_value(WRAPPED)), beyond.made(block_value(WRAPPED))) == (None, False)
    assert beyond.without(block_value(WRAPPED)) == block_value(WRAPPED)
    alone = place_of("family")
    assert [alone.find(value) for value in (None, b"", WRAPPED[0])] == [None, None, WRAPPED[0]]
    assert [alone.made(value) for value in (None, b"", WRAPPED[0])] == [False, True, True]
    assert alone.without(WRAPPED[0]) == b""
