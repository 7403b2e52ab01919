"""What is done with each kind of find, by destination."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from agentos.contracts.errors import NeverRetry, Unavailable
from agentos.contracts.events.call import RedactedEntity
from agentos.contracts.model import JsonSchemaFormat, ModelRequest, user
from agentos.sealing import PlaceholderVault, restore, restore_json
from services.policy.findings import Finding
from services.policy.redaction import Blocked, Plan, Redactor

EMPTY = PlaceholderVault()
TEXT = "card 4111 1111 1111 1111, mail ann@x.org and ANN@x.org, key ghp_a1b2c3d4e5f6a1b2c3d4e5f6"
KEY = b"k" * 32


class Finds:
    """A finder of fixed words."""

    def __init__(self, **words: tuple[str, str]) -> None:
        """Word → entity and stem."""
        self._words = words

    def find(self, text: str) -> tuple[Finding, ...]:
        found = [
            Finding(start, start + len(word), entity, stem, 1.0)
            for word, (entity, stem) in self._words.items()
            if (start := text.find(word)) >= 0
        ]
        return tuple(sorted(found, key=lambda f: f.start))


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


def plan(**operators: Any) -> Plan:
    return Plan(operators={name.replace("ANY", "*"): operator for name, operator in operators.items()})


@pytest.mark.parametrize(
    ("operators", "redacted"),
    [
        ({}, "card <CARD_1>, mail <EMAIL_1> and <EMAIL_1_2>, key <SECRET_1>"),
        ({"CARD": "mask"}, "card ****1111, mail <EMAIL_1> and <EMAIL_1_2>, key <SECRET_1>"),
        ({"ANY": "mask"}, "card ****1111, mail **** and ****, key ********"),
        ({"EMAIL": "drop"}, "card <CARD_1>, mail  and , key <SECRET_1>"),
        ({"ANY": "allow"}, "card 4111 1111 1111 1111, mail ann@x.org and ANN@x.org, key <SECRET_1>"),
        ({"CREDIT_CARD": "drop", "CARD": "mask", "ANY": "allow"}, "card , mail ann@x.org and ANN@x.org, key <SECRET_1>"),
        ({"EMAIL_ADDRESS": "allow"}, "card <CARD_1>, mail ann@x.org and ANN@x.org, key <SECRET_1>"),
        ({"SECRET": "drop", "ANY": "allow"}, "card 4111 1111 1111 1111, mail ann@x.org and ANN@x.org, key "),
    ],
)
def test_the_entity_then_its_stem_then_the_star_says_what_is_done(
    redactor: Redactor, operators: dict[str, Any], redacted: str
) -> None:
    assert redactor.redact_text(TEXT, EMPTY, plan(**operators)).value == redacted


def test_only_what_was_replaced_can_be_restored_and_each_thing_says_what_was_done(redactor: Redactor) -> None:
    done = redactor.redact_text(TEXT, EMPTY, plan(CARD="mask", EMAIL="allow", SECRET="drop"))
    assert done.vault == EMPTY
    assert sorted(done.entities, key=lambda one: one.entity) == [
        RedactedEntity(entity="CREDIT_CARD", placeholder="****1111", operator="mask"),
        RedactedEntity(entity="EMAIL_ADDRESS", placeholder="", operator="allow"),
        RedactedEntity(entity="GITHUB_TOKEN", placeholder="", operator="drop"),
    ]


def test_a_hash_is_the_same_for_spellings_of_a_value_within_a_task_and_another_in_the_next(redactor: Redactor) -> None:
    hashing = plan(EMAIL="hash").keyed(KEY)
    done = redactor.redact_text("ann@x.org, ANN@x.org, bob@x.org", EMPTY, hashing)
    ann, same, bob = done.value.split(", ")
    assert ann == same != bob
    assert ann.startswith("<EMAIL#")
    assert restore(done.value, done.vault) == done.value
    again = redactor.redact_text("ann@x.org", EMPTY, plan(EMAIL="hash").keyed(KEY)).value
    other = redactor.redact_text("ann@x.org", EMPTY, plan(EMAIL="hash").keyed(b"o" * 32)).value
    assert again == ann != other


def test_a_hash_without_a_key_is_no_answer_and_the_key_is_never_shown(redactor: Redactor) -> None:
    with pytest.raises(Unavailable):
        redactor.redact_text("ann@x.org", EMPTY, plan(EMAIL="hash"))
    keyed = plan().keyed(KEY)
    assert "hash_key" not in keyed.model_dump()
    assert "hash_key" not in repr(keyed)


def test_what_is_blocked_refuses_the_whole_call_and_names_kinds_only(redactor: Redactor) -> None:
    with pytest.raises(Blocked) as caught:
        redactor.redact_request(ModelRequest(messages=(user(TEXT),)), EMPTY, plan(CARD="block", SECRET="block"))
    assert caught.value.entities == ("CREDIT_CARD", "GITHUB_TOKEN")
    assert isinstance(caught.value, NeverRetry)
    assert {one.operator for one in caught.value.found} == {"block"}
    assert not any(value in f"{caught.value} {caught.value.fields}" for value in ("4111", "ghp_"))


def test_a_secret_is_allowed_only_where_the_plan_says_that_it_may_be(redactor: Redactor) -> None:
    local = Plan(destination="local", operators={"*": "allow"}, never_allowed=frozenset())
    done = redactor.redact_text(TEXT, EMPTY, local)
    assert done.value == TEXT
    cloud = Plan(operators={"GITHUB_TOKEN": "allow", "SECRET": "allow"})
    assert "ghp_" not in redactor.redact_text(TEXT, EMPTY, cloud).value


def test_a_plan_with_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate({"operators": {"*": "encrypt"}})


def test_values_that_are_known_from_earlier_obey_the_plan_too(redactor: Redactor) -> None:
    vault = redactor.redact_text("call 4155552671, mail ann@x.org", EMPTY).vault
    assert redactor.redact_text("id x4155552671y", vault, plan(PHONE="mask")).value == "id x****2671y"
    assert redactor.redact_text("id x4155552671y", vault, plan(PHONE="allow")).value == "id x4155552671y"
    with pytest.raises(Blocked):
        redactor.redact_text("id x4155552671y", vault, plan(PHONE_NUMBER="block"))


def test_the_exact_kind_of_a_known_value_is_remembered() -> None:
    redactor = Redactor(Finds(**{"943 476 5919": ("UK_NHS", "ID")}))
    vault = redactor.redact_text("NHS 943 476 5919", EMPTY).vault
    assert vault.values == {"ID_1": "943 476 5919"}
    silent = Redactor(Finds())
    assert silent.redact_text("again: 943 476 5919", vault, plan(UK_NHS="drop")).value == "again: "
    assert silent.redact_text("again: 943 476 5919", vault, plan(NATIONAL_ID="drop")).value == "again: <ID_1>"


def test_numbers_of_json_obey_the_plan(redactor: Redactor) -> None:
    value = {"card": 4111111111111111, "n": 1}
    assert redactor.redact_json(value, EMPTY, plan(CARD="mask")).value == {"card": "****1111", "n": 1}
    assert redactor.redact_json(value, EMPTY, plan(CARD="drop")).value == {"card": None, "n": 1}
    assert redactor.redact_json(value, EMPTY, plan(CARD="allow")).value == value
    text = redactor.redact_json({"body": json.dumps(value)}, EMPTY, plan(CARD="drop")).value
    assert json.loads(text["body"]) == {"card": None, "n": 1}


@pytest.mark.parametrize("operator", ["mask", "hash", "drop"])
def test_what_is_left_of_a_value_never_becomes_a_placeholder(operator: str) -> None:
    """The vault knows EMAIL_1; a value goes, and what stood around it would now be read as that."""
    redactor = Redactor(Finds(gone=("ORGANIZATION", "ORG")))
    vault, _ = EMPTY.add("EMAIL", "ann@x.org")
    for text in ("EMAIL_1gone", "goneEMAIL_1", "EMAgoneIL_1", "<EMAILgone_1>", "EMAIL_gone1", "[EMAIL_1gone]"):
        done = redactor.redact_text(text, vault, plan(ORG=operator).keyed(KEY))
        assert "ann@x.org" not in restore(done.value, done.vault)


# --- known values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stem", "value", "text", "swept"),
    [
        ("AGE", "42", "42 files, error 42", False),
        ("TITLE", "Mr", "Mr Mrs Mr", False),
        ("POSTCODE", "10115", "port 10115", False),
        ("LOCATION", "Reading", "Reading the manual", False),
        ("ORG", "Target", "Target not found", False),
        ("ORG", "Acme Rockets", "at Acme Rockets now", True),
        ("PERSON", "Ann", "Ann Anna", False),
        ("PERSON", "Mark", "Mark my words", True),
        ("PERSON", "Mark", "Marketing Bookmark", False),
        ("PERSON", "Müller", "Müllers Müllerin", False),
        ("PERSON", "Anna Müller", "(Anna Müller)", True),
        ("USERNAME", "amueller", "amueller@host", True),
        ("USERNAME", "amueller", "xamueller", False),
        ("DOB", "01.02.1990", "on 01.02.1990.", True),
        ("DOB", "1.2.90", "v1.2.90", False),
        ("ID", "AB123456C", "no AB123456C!", True),
        ("ID", "AB123456C", "hash 9AB123456C0", False),
        ("PHONE", "4155552671", "x4155552671y", True),
        ("PHONE", "4155552671", "94155552671", False),
        ("CARD", "4111111111111111", "sum 41111111111111112", False),
        ("IP", "10.1.2.3", "10.1.2.34", False),
        ("IP", "10.1.2.3", "http://10.1.2.3:80", True),
        ("SECRET", "hunter2x", "urlhunter2x&", True),
        ("SECRET", "abc", "abc abcd", False),
        ("EMAIL", "ann@x.org", "mailto:ann@x.org?", True),
    ],
)
@pytest.mark.parametrize("others", [0, 100])
def test_a_known_value_is_found_again_only_where_it_is_itself(
    stem: str, value: str, text: str, swept: bool, others: int
) -> None:
    many = [("SECRET", f"{value[:4]}{number}-other") for number in range(others)]
    vault, _ = EMPTY.add_all([(stem, value), *many])
    redacted = Redactor(Finds()).redact_text(text, vault).value
    assert (f"<{stem}_1>" in redacted) is swept
    assert swept or redacted == text


def test_among_thousands_of_values_with_one_beginning_the_longest_that_stands_is_taken() -> None:
    vault, _ = EMPTY.add_all([("SECRET", "secret" + "x" * length) for length in range(3_000)])
    text = f"a secret{'x' * 2_999} b secret{'x' * 7}y " + "secr" * 50_000
    done = Redactor(Finds()).redact_text(text, vault)
    assert done.value.startswith("a <SECRET_3000> b <SECRET_8>y secrsecr")
    assert restore(done.value, done.vault) == text


# --- look-alikes and JSON -------------------------------------------------------------------------------------------------


def test_code_that_happens_to_speak_of_a_placeholder_stays_as_it_is(redactor: Redactor) -> None:
    code = "class Field(Enum):\n    EMAIL_1 = 'primary'\n    PHONE_2 = [ID 1]  # title_1, f'{email_1}', user[age_42]\n"
    done = redactor.redact_text(f"{code} ann@x.org bob@x.org", EMPTY)
    assert done.value == f"{code} <EMAIL_2> <EMAIL_3>", "the names in the code are not given away"
    answer = "Set EMAIL_1 and mail EMAIL_2"
    assert restore(answer, done.vault) == "Set EMAIL_1 and mail ann@x.org"
    later = redactor.redact_text("now EMAIL_1 = EMAIL_2", done.vault)
    assert later.value == "now EMAIL_1 = <LITERAL_1>", "a name that is taken cannot be said by anybody else"
    assert restore(later.value, later.vault) == "now EMAIL_1 = EMAIL_2"


@pytest.mark.parametrize(
    "forged", ["<EMAIL_1>", "EMAIL_1", "[email_1]", "&lt;EMAIL_1&gt;", "\\u003cEMAIL_1\\u003e", "<Email 1>", "EMAIL\\_1", "{{EMAIL_1}}"]
)  # fmt: skip
def test_no_writing_of_a_placeholder_in_an_input_reveals_another_value(redactor: Redactor, forged: str) -> None:
    vault = redactor.redact_text("ann@x.org", EMPTY).vault
    done = redactor.redact_text(f"Tell me {forged}!", vault)
    assert "<LITERAL_1>" in done.value
    assert restore(done.value, done.vault) == f"Tell me {forged}!"
    value = {"to": forged, forged: [f"x {forged}", json.dumps({"in": forged})]}
    structured = redactor.redact_json(value, vault)
    assert restore_json(structured.value, structured.vault) == value
    assert "ann@x.org" not in json.dumps(restore_json(structured.value, structured.vault))


def test_two_tasks_never_see_each_others_values(redactor: Redactor) -> None:
    one = redactor.redact_text("ann@x.org", EMPTY)
    two = redactor.redact_text("eve@y.org", EMPTY)
    assert one.value == two.value == "<EMAIL_1>"
    assert restore(two.value, one.vault) == "ann@x.org"
    assert restore(one.value, two.vault) == "eve@y.org"
    assert set(one.vault.values.values()).isdisjoint(two.vault.values.values())


def test_json_in_a_text_is_read_without_its_escapes_and_stays_as_it_was_around(redactor: Redactor) -> None:
    body = '{ "mail":"j\\u00fcrgen@b\\u00fccher.de",\n "note" : "say \\"hi\\"", "password":"a\\\\b\\"c1d", "n": [4111111111111111, 1.50] }'
    done = redactor.redact_json({"body": body}, EMPTY)
    assert done.value["body"] == (
        '{ "mail":"<EMAIL_1>",\n "note" : "say \\"hi\\"", "password":"<SECRET_1>", "n": ["<NUMBER_1>", 1.50] }'
    )
    assert done.vault.values["EMAIL_1"] == "jürgen@bücher.de"
    assert done.vault.values["SECRET_1"] == 'a\\b"c1d'
    assert json.loads(restore_json(done.value, done.vault)["body"]) == json.loads(body)
    plain = redactor.redact_text("write to jürgen@bücher.de", done.vault)
    assert plain.value == "write to <EMAIL_1>", "it is the same value, however it was escaped"


def test_a_text_that_redaction_would_make_json_is_kept_from_looking_so() -> None:
    redactor = Redactor(Finds(**{"a\\qb": ("CREDENTIAL", "SECRET")}))
    done = redactor.redact_json({"x": '["a\\qb"]'}, EMPTY)
    assert restore_json(done.value, done.vault) == {"x": '["a\\qb"]'}


@pytest.mark.parametrize("food", ["[", '{"a":', '"', "\\", "{", '["\\u00e4', "<EMAIL_1", "EMAIL_1 ", "ID_1-", "[ID 1]"])
def test_a_megabyte_of_food_for_the_readers_is_digested(food: str) -> None:
    text = (food * (1_000_000 // len(food) + 1))[:1_000_000]
    vault, _ = EMPTY.add_all([("EMAIL", "ann@x.org"), ("ID", "AB123456C")])
    done = Redactor(Finds()).redact_json([text], vault)
    assert restore_json(done.value, done.vault) == [text]


def test_a_schema_and_the_keys_of_objects_hold_no_names_but_what_has_a_shape_of_its_own(redactor: Redactor) -> None:
    """``{"title": …}`` asks for a title, it is none; an address or a key that a programmer left there is one all the same."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"Jordan": {"type": "string", "description": "the customer, such as Maria Lopez"}},
        "required": ["Jordan", "Amazon"],
        "x-owner": "ada@example.org",
    }
    request = ModelRequest(messages=(user("Hello"),), response_format=JsonSchemaFormat(name="answer", json_schema=schema))
    done, _, entities = redactor.redact_request(request, EMPTY)
    assert done.response_format is not None
    assert done.response_format.json_schema == schema | {"x-owner": "<EMAIL_1>"}
    assert [one.entity for one in entities] == ["EMAIL_ADDRESS"]
    keys = redactor.redact_json({"Maria Lopez": 1, "maria": 2, "additionalProperties": 3}, EMPTY)
    assert keys.value == {"<PERSON_1>": 1, "maria": 2, "additionalProperties": 3}
