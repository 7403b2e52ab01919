"""The vault and restoring."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentos.sealing import ENTITIES, PlaceholderVault, restore, restore_json, restore_json_text
from agentos.sealing.placeholders import MAX_RESERVED, TooDeep

pairs = st.lists(
    st.tuples(st.sampled_from(ENTITIES), st.text(st.characters(exclude_categories=("Cs",)), max_size=20)), max_size=30
)


@given(pairs)
def test_a_vault_survives_json(found: list[tuple[str, str]]) -> None:
    vault, _ = PlaceholderVault().add_all(found)
    assert PlaceholderVault.model_validate_json(vault.model_dump_json()) == vault


@given(pairs, pairs)
def test_adding_is_idempotent_one_by_one_or_at_once_and_never_renames(
    first: list[tuple[str, str]], then: list[tuple[str, str]]
) -> None:
    vault, before = PlaceholderVault().add_all(first)
    vault, _ = vault.add_all(then)
    again, after = vault.add_all(first)
    assert after == before
    assert again == vault
    single = PlaceholderVault()
    for entity, value in first + then:
        single, _ = single.add(entity, value)
    assert single == vault


@given(pairs)
def test_each_placeholder_restores_its_own_value(found: list[tuple[str, str]]) -> None:
    vault, placeholders = PlaceholderVault().add_all(found)
    assert [restore(placeholder, vault) for placeholder in placeholders] == [value for _, value in found]


def test_the_same_value_has_the_same_number_and_another_spelling_a_variant() -> None:
    vault, names = PlaceholderVault().add_all(
        [("EMAIL", "ann@x.org"), ("EMAIL", "bob@x.org"), ("EMAIL", "Ann@x.org"), ("EMAIL", "ann@x.org"), ("EMAIL", "ANN@x.org")]
    )
    assert names == ("<EMAIL_1>", "<EMAIL_2>", "<EMAIL_1_2>", "<EMAIL_1>", "<EMAIL_1_3>")
    assert vault.add("CARD", "4111 1111 1111 1111")[1] == "<CARD_1>"


@pytest.mark.parametrize(
    "written",
    [
        "<EMAIL_2>",
        "EMAIL_2",
        "<EMAIL_1x>",
        "<PHONE_1>",
        "<EMAIL_>",
        "<EMAIL_01>",
        "<EMAIL_1_2>",
        "email_1",
        "MY_EMAIL_1",
        "EMAIL_10",
        "$EMAIL_1",
        "${EMAIL_1}",
        "EMAIL_1_a",
        "EMAIL 1",
        "<EMAIL#1>",
        "[email_2]",
    ],
)
def test_what_is_no_writing_of_a_placeholder_in_the_vault_stays(written: str) -> None:
    vault, _ = PlaceholderVault().add("EMAIL", "ann@x.org")
    assert restore(written, vault) == written


def test_a_restored_value_is_not_restored_again() -> None:
    vault, _ = PlaceholderVault().add_all([("LITERAL", "<EMAIL_1>"), ("EMAIL", "ann@x.org")])
    assert restore("<LITERAL_1>", vault) == "<EMAIL_1>"


def test_json_is_restored_in_values_and_keys_and_numbers_come_back_as_numbers() -> None:
    vault, _ = PlaceholderVault().add_all([("EMAIL", "ann@x.org"), ("NUMBER", "4111111111111111")])
    value = {"<EMAIL_1>": ["<NUMBER_1>", "card <NUMBER_1>", 1, None, True, 2.5]}
    assert restore_json(value, vault) == {"ann@x.org": [4111111111111111, "card 4111111111111111", 1, None, True, 2.5]}


def test_a_string_that_is_json_stays_json_whatever_the_values_hold() -> None:
    key = 'a"b\\c\nd'
    vault, _ = PlaceholderVault().add_all([("SECRET", key), ("NUMBER", "4111111111111111"), ("PERSON", "Jürgen")])
    text = '{ "k" : "x <SECRET_1>",  "n": "<NUMBER_1>", "<PERSON_1>": ["\\u00e4", "{\\"deep\\": \\"SECRET_1\\"}"] }'
    restored = restore_json({"body": text, "plain": "say <SECRET_1>"}, vault)
    assert restored["plain"] == f"say {key}"
    assert restored["body"].startswith('{ "k" : "x a\\"b'), "what holds no placeholder stays as it was written"
    assert '"\\u00e4"' in restored["body"]
    inner = json.loads(restored["body"])
    assert inner["k"] == f"x {key}"
    assert inner["n"] == 4111111111111111
    assert json.loads(inner["Jürgen"][1]) == {"deep": key}
    assert restore_json_text(text, vault) == restored["body"]


@pytest.mark.parametrize(
    "text", ["say <SECRET_1>", "[SECRET_1]", "[<SECRET_1>", '{"a": "<SECRET_1>"', "", "{", '["\\q <SECRET_1>"]']
)
def test_a_text_that_is_no_json_is_restored_as_any_text(text: str) -> None:
    vault, _ = PlaceholderVault().add("SECRET", 'a"b')
    assert restore_json_text(text, vault) == restore(text, vault)


def test_a_reserved_name_is_never_given_away() -> None:
    vault = PlaceholderVault().reserve(["EMAIL_1", "EMAIL_2", "EMAIL_3_2", "EMAIL_01", "nonsense"])
    assert vault.reserved == ("EMAIL_1", "EMAIL_2", "EMAIL_3_2")
    vault, names = vault.add_all([("EMAIL", "ann@x.org"), ("EMAIL", "Ann@x.org"), ("EMAIL", "bob@x.org")])
    assert names == ("<EMAIL_3>", "<EMAIL_3_3>", "<EMAIL_4>")
    assert vault.reserve(["EMAIL_3", "EMAIL_1"]) is vault, "what is given already cannot be reserved"
    many = vault.reserve(f"PHONE_{n}" for n in range(1, 10_000))
    assert len(many.reserved) == MAX_RESERVED


def test_json_that_would_exhaust_the_stack_is_refused() -> None:
    value: list[object] = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(TooDeep):
        restore_json(value, PlaceholderVault())


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError):
        restore_json({"a": object()}, PlaceholderVault())


def test_neither_repr_nor_errors_show_a_value() -> None:
    vault, _ = PlaceholderVault().add("EMAIL", "ann@x.org")
    assert "ann" not in repr(vault)
    with pytest.raises(ValidationError) as caught:
        PlaceholderVault.model_validate({"values": {"bad name": "ann@x.org"}})
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb"])
def test_a_lone_surrogate_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        PlaceholderVault().add("SECRET", value)


def test_an_unknown_entity_is_refused() -> None:
    with pytest.raises(ValueError, match="NAME"):
        PlaceholderVault().add("NAME", "Ann")
