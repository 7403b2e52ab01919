"""Redaction: what goes, what stays, and that it comes back exactly."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentos.contracts.errors import Unavailable
from agentos.contracts.model import JsonSchemaFormat, Message, ModelRequest, TextPart, ToolCallPart, ToolResultPart, ToolSpec
from agentos.sealing import PlaceholderVault, restore, restore_json
from agentos.sealing.json_text import is_json_text
from agentos.sealing.placeholders import TooDeep
from services.policy.findings import Finding, resolve
from services.policy.redacting.known import Known
from services.policy.redaction import Redactor

EMPTY = PlaceholderVault()
HARMLESS = (Path(__file__).parent / "harmless.txt").read_text("utf-8")

FOUND = [
    ("EMAIL", "ann.smith+x@example.co.uk"),
    ("EMAIL", "bob@corp.internal"),
    ("EMAIL", "ö.müller@bücher.de"),
    ("PHONE", "+1 (555) 010-9999"),
    ("PHONE", "(212) 555-0123"),
    ("PHONE", "212-555-0188"),
    ("PHONE", "+49 171 1234567"),
    ("PHONE", "0049 171 1234567"),
    ("PHONE", "+919876543210"),
    ("PHONE", "020 7946 0958"),
    ("PHONE", "0171 1234567"),
    ("CARD", "4111 1111 1111 1111"),
    ("CARD", "4111111111111111"),
    ("CARD", "4111-1111-1111-1111"),
    ("CARD", "4111.1111.1111.1111"),
    ("CARD", "4111\u00a01111\u00a01111\u00a01111"),
    ("CARD", "4111  1111  1111  1111"),
    ("CARD", "3782 822463 10005"),
    ("CARD", "2223003122003222"),
    ("IBAN", "GB82 WEST 1234 5698 7654 32"),
    ("IBAN", "de89370400440532013000"),
    ("IP", "203.0.113.9"),
    ("IP", "2001:db8::ff00:42:8329"),
    ("IP", "fe80::1"),
    ("SSN", "536-22-8145"),
    ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("CRYPTO", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
    ("SECRET", "AKIAIOSFODNN7EXAMPLE"),
    ("SECRET", "ghp_" + "a1b2c3d4e5f6" * 3),
    ("SECRET", "github_pat_" + "a1b2c3d4e5f6" * 3),
    ("SECRET", "xoxb-123456789012-abcdefABCDEF"),
    ("SECRET", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
    ("SECRET", "-----BEGIN RSA PRIVATE KEY-----\nMIIabc/+=\n-----END RSA PRIVATE KEY-----"),
    ("LITERAL", "<EMAIL_1>"),
    ("LITERAL", "< phone_77_2 >"),
]


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.mark.parametrize(("stem", "value"), FOUND)
@pytest.mark.parametrize("around", ["{}", "my data: {}, thanks.", "({})", "a\n{}\nb", "«{}»", '"{}"'])
def test_a_value_becomes_a_placeholder_and_comes_back(stem: str, value: str, around: str, redactor: Redactor) -> None:
    text = around.format(value)
    redacted = redactor.redact_text(text, EMPTY)
    assert redacted.value == around.format(f"<{stem}_1>")
    assert restore(redacted.value, redacted.vault) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abcd1234efgh5678", "Authorization: Bearer <SECRET_1>"),
        ("api_key=abcd1234efgh", "api_key=<SECRET_1>"),
        ('{"password": "hunter2x"}', '{"password": "<SECRET_1>"}'),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPx", "AWS_SECRET_ACCESS_KEY=<SECRET_1>"),
        ("call me: 4155552671", "call me: <PHONE_1>"),
        ("my ssn is 536228145", "my ssn is <SSN_1>"),
        ("key -----BEGIN PRIVATE KEY-----\ncut off", "key <SECRET_1>"),
    ],
)
def test_context_tells_what_a_bare_value_is(text: str, redacted: str, redactor: Redactor) -> None:
    assert redactor.redact_text(text, EMPTY).value == redacted


def test_code_logs_hashes_versions_and_times_pass_unharmed(redactor: Redactor) -> None:
    for line in HARMLESS.splitlines():
        assert redactor.redact_text(line, EMPTY).value == line
    assert redactor.redact_text(HARMLESS, EMPTY).value == HARMLESS


def test_a_number_does_not_hide_the_one_that_follows_it(redactor: Redactor) -> None:
    text = "1234 4111 1111 1111 1111 5678, +49 171 1234567 020 7946 0958"
    assert redactor.redact_text(text, EMPTY).value == "1234 <CARD_1> 5678, <PHONE_1> <PHONE_2>"


def test_names_are_stable_within_a_task_and_count_on(redactor: Redactor) -> None:
    first = redactor.redact_text("ann@x.org and bob@x.org", EMPTY)
    second = redactor.redact_text("bob@x.org, eve@x.org, ANN@x.org", first.vault)
    assert first.value == "<EMAIL_1> and <EMAIL_2>"
    assert second.value == "<EMAIL_2>, <EMAIL_3>, <EMAIL_1_2>"
    assert [entity.model_dump() for entity in second.entities] == [
        {"entity": "EMAIL_ADDRESS", "placeholder": "<EMAIL_2>", "operator": "replace"},
        {"entity": "EMAIL_ADDRESS", "placeholder": "<EMAIL_3>", "operator": "replace"},
        {"entity": "EMAIL_ADDRESS", "placeholder": "<EMAIL_1_2>", "operator": "replace"},
    ]


def test_what_is_known_is_redacted_also_where_nothing_announces_it(redactor: Redactor) -> None:
    first = redactor.redact_text("call 4155552671", EMPTY)
    second = redactor.redact_text("id x4155552671y", first.vault)
    assert second.value == "id x<PHONE_1>y"
    assert second.entities[0].entity == "PHONE_NUMBER"


def test_a_forged_placeholder_does_not_reveal_another_value(redactor: Redactor) -> None:
    known = redactor.redact_text("ann@x.org", EMPTY).vault
    forged = redactor.redact_text("tell me <EMAIL_1> and <email_1 > and <EMAIL_2>", known)
    assert restore(forged.value, forged.vault) == "tell me <EMAIL_1> and <email_1 > and <EMAIL_2>"


# For every text: exact restoring, and nothing found survives.

pieces = st.sampled_from(
    [value for _, value in FOUND]
    + [
        "<",
        ">",
        "<EMAIL_",
        "_1>",
        "EMAIL_1",
        "<PHONE_1",
        "password=",
        "token: ",
        '"',
        " ",
        "\n",
        "call ",
        "@x.org",
        "+49",
        "192.",
        "\0",
    ]
    + ["ann@x.org", "Ann@x.org", "4111", "-", "password=ITERAL_1x", "SECRET_1", "é", "\U0001f600", "ſ", "\u2028"]
    + [
        "EMAIL",
        "_1",
        "[EMAIL_1]",
        "{{LITERAL_1}}",
        "[",
        "]",
        "(",
        "EMAIL\\_2",
        "\\",
        "&lt;EMAIL_1&gt;",
        "\\u003c",
        "LITERAL_2",
        "$",
    ]
    + ['{"a": "', '"}', '["', '"]', '\\"', "\\n", "\\q", "password=ab\\n1234", "<NUMBER_1>", "NUMBER 1", "ID 1"]
)
texts = st.lists(pieces | st.text(max_size=8), max_size=14).map("".join)
many = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@many
@given(st.lists(texts, min_size=1, max_size=4))
def test_every_text_of_a_task_restores_exactly_and_no_found_value_survives(redactor: Redactor, said: list[str]) -> None:
    vault = EMPTY
    redacted_texts: list[str] = []
    for text in said:
        redacted = redactor.redact_text(text, vault)
        redacted_texts.append(redacted.value)
        assert restore(redacted.value, redacted.vault) == text
        assert redacted.vault.values.items() >= vault.values.items()
        vault = redacted.vault
        assert not Known(vault.known()).places_in(_without_placeholders(redacted.value, vault))
    assert [restore(text, vault) for text in redacted_texts] == said, (
        "what came later changes nothing about what was said before"
    )
    assert restore(redactor.redact_text(said[0], vault).value, redactor.redact_text(said[0], vault).vault) == said[0]


def _without_placeholders(text: str, vault: PlaceholderVault) -> str:
    for name in sorted(vault.values, key=len, reverse=True):
        text = text.replace(f"<{name}>", "\0")
    return text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.just(4111111111111111),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.sampled_from(["password", "phone", "api_key", "userPhone"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@many
@given(json_values)
def test_every_json_value_restores_exactly_with_its_types(redactor: Redactor, value: Any) -> None:
    redacted = redactor.redact_json(value, EMPTY)
    back = restore_json(redacted.value, redacted.vault)
    assert json.dumps(back) == json.dumps(value)
    for text in _strings(redacted.value):
        assert not Known(redacted.vault.known()).places_in(_without_placeholders(text, redacted.vault))


def test_a_value_that_is_glued_to_another_is_found_once_that_has_gone(redactor: Redactor) -> None:
    value = {"212-555-0188": None, "GB82 WEST 1234 5698 7654 32": None, "GB82 WEST 1234 5698 7654 32212-555-0188": None}
    assert redactor.redact_json(value, EMPTY).value == {"<PHONE_1>": None, "<IBAN_1>": None, "<IBAN_1><PHONE_1>": None}


def _strings(value: Any) -> Iterator[str]:
    """Strings and keys, of JSON within strings too."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield from _strings(json.loads(value)) if is_json_text(value) else (value,)


def test_keys_of_an_object_are_redacted_and_give_context(redactor: Redactor) -> None:
    value = {
        "ann@x.org": 1,
        "password": "correct horse",
        "contactPhone": ["4155552671"],
        "card": 4111111111111111,
        "id": 4155552672,
    }
    redacted = redactor.redact_json(value, EMPTY)
    assert redacted.value == {
        "<EMAIL_1>": 1,
        "password": "<SECRET_1>",
        "contactPhone": ["<PHONE_1>"],
        "card": "<NUMBER_1>",
        "id": 4155552672,
    }
    assert restore_json(redacted.value, redacted.vault) == value


def test_a_key_announces_its_value_as_a_word_in_a_text_does(redactor: Redactor) -> None:
    value = {
        "nhsNumber": "9434765918",
        "steuer_id": "12345678901",
        "dateOfBirth": "1990-04-18",
        "sort_code": "204553",
        "order": "88213-B",
    }
    redacted = redactor.redact_json(value, EMPTY)
    assert redacted.value == {
        "nhsNumber": "<ID_1>",
        "steuer_id": "<ID_2>",
        "dateOfBirth": "<DOB_1>",
        "sort_code": "<ACCOUNT_1>",
        "order": "88213-B",
    }
    assert restore_json(redacted.value, redacted.vault) == value


def test_a_model_request_is_redacted_everywhere_a_provider_reads(redactor: Redactor) -> None:
    mail = "ann@x.org"
    request = ModelRequest(
        system=f"You help {mail}",
        messages=(
            Message(role="user", parts=(TextPart(text=f"I am {mail}, 4155552671"),)),
            Message(
                role="assistant", parts=(ToolCallPart(id="c1", name="mail.send", arguments={"to": [mail], "note": {mail: 1}}),)
            ),
            Message(
                role="user", parts=(ToolResultPart(id="c1", name="mail.send", content=f"sent to {mail}; phone 4155552671"),)
            ),
        ),
        tools=(
            ToolSpec(name="mail.send", description=f"Default {mail}", parameters={"properties": {"to": {"default": mail}}}),
        ),
        response_format=JsonSchemaFormat(name="r", json_schema={"const": mail}),
        stop=(mail,),
    )
    redacted, vault, entities = redactor.redact_request(request, EMPTY)
    sent = redacted.model_dump_json()
    assert mail not in sent
    assert "4155552671" not in sent, "a phone number that a later message announces is gone from the earlier ones too"
    assert vault.values == {"EMAIL_1": mail, "PHONE_1": "4155552671"}
    assert {entity.entity for entity in entities} == {"EMAIL_ADDRESS", "PHONE_NUMBER"}
    assert ModelRequest.model_validate(restore_json(json.loads(sent), vault)) == request
    again, same, _ = redactor.redact_request(request, vault)
    assert (again, same) == (redacted, vault)


# Bad input and failures


@pytest.mark.parametrize(
    "text", ["", "\0", "\0ann@x.org\0", "\ud800", "a\ud800 ann@x.org \udfff", "\u202eann@x.org", "\U000e0041" * 10]
)
def test_strange_characters_change_nothing(text: str, redactor: Redactor) -> None:
    redacted = redactor.redact_text(text, EMPTY)
    assert restore(redacted.value, redacted.vault) == text
    assert "ann@x.org" not in redacted.value


FOOD_CHARS = 200_000
"""What takes a time that grows with the square of it would not come to its end before the suite's time-out."""
FOOD = [
    "a",
    "1",
    "4 ",
    "4111 ",
    "@",
    "a@",
    "a.",
    "a@a.",
    "1.",
    "1-",
    "+1",
    "0 ",
    "01 23 ",
    "(",
    "<EMAIL_",
    "< ",
    ":",
    "1::",
    "eyJaaaaaaaa.",
    "-----BEGIN PRIVATE KEY-----",
    "bearer ",
    "api_key_",
    "password='",
    "a_token=",
    "DE89 3704 ",
    "bc1",
    "phone 1",
    "\0",
    "\ud800a",
    "é",
]


@pytest.mark.parametrize("food", FOOD)
def test_much_regex_food_is_digested_and_restored(food: str, redactor: Redactor) -> None:
    text = (food * (FOOD_CHARS // len(food) + 1))[:FOOD_CHARS]
    try:
        redacted = redactor.redact_text(text, EMPTY)
    except Unavailable as error:
        assert error.code == "redactor_failed"  # the other permitted outcome: refused, not let through
    else:
        assert restore(redacted.value, redacted.vault) == text


def test_ten_thousand_values_in_one_text_are_all_found_and_restored(redactor: Redactor) -> None:
    text = "".join(f"u{n}@example.org 203.0.{n // 250}.{n % 250}\n" for n in range(10_000))
    redacted = redactor.redact_text(text, EMPTY)
    assert len(redacted.vault.values) == 20_000
    assert "@" not in redacted.value
    assert restore(redacted.value, redacted.vault) == text


def test_a_text_beyond_the_limit_is_refused_and_says_so() -> None:
    small = Redactor(max_chars=100)
    with pytest.raises(Unavailable, match="100 characters"):
        small.redact_text("x" * 101, EMPTY)
    with pytest.raises(Unavailable, match="100 characters"):
        small.redact_json(["x" * 60, "x" * 60], EMPTY)


def test_json_that_is_too_deep_or_no_json_is_refused(redactor: Redactor) -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(TooDeep):
        redactor.redact_json(deep, EMPTY)
    for value in (object(), {"a": b"bytes"}, {1: "a"}, float("nan")):
        if value != value:
            redactor.redact_json(value, EMPTY)
            continue
        with pytest.raises(Unavailable):
            redactor.redact_json(value, EMPTY)


def test_an_unforeseen_failure_is_no_answer_and_does_not_quote_the_text(redactor: Redactor) -> None:
    with pytest.raises(Unavailable) as caught:
        redactor.redact_text("-----BEGIN PRIVATE KEY-----\nann \ud800", EMPTY)
    assert "ann" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_overlaps_go_to_the_longest_then_the_surest_and_leave_no_fragment() -> None:
    a = Finding(0, 10, "A", "EMAIL", 0.5)
    within = Finding(2, 5, "B", "PHONE", 1.0)
    partly = Finding(8, 14, "C", "CARD", 1.0)
    same = Finding(0, 10, "D", "IBAN", 0.9)
    assert resolve([within, a]) == (a,)
    assert resolve([a, same]) == (same,)
    assert resolve([a, partly]) == (Finding(0, 14, "A", "EMAIL", 0.5),)
    assert resolve([Finding(14, 20, "E", "IP", 1.0), a]) == (a, Finding(14, 20, "E", "IP", 1.0))


def test_presidio_is_loaded_without_its_language_models_and_only_by_the_redactor() -> None:
    program = (
        "import sys, agentos.sealing, services.policy.embedded, services.policy.questions\n"
        "assert not any(m.startswith('presidio') for m in sys.modules)\n"
        "from services.policy.redaction import Redactor\n"
        "Redactor()\n"
        "assert 'presidio_analyzer' in sys.modules\n"
        "assert not {'spacy', 'thinc', 'torch'} & set(sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3]
    )
    assert ran.returncode == 0, ran.stderr
