"""What an answer holds that it should not, before placeholders are restored."""

import base64
import codecs
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.model import ModelRequest, ModelResponse, TextPart, ToolCallPart, Usage, user
from agentos.sealing import PlaceholderVault
from services.policy.answers import leak_of
from services.policy.redaction import Plan, Redactor

PROMPT = (
    "You are Robin, the billing assistant of Harbour Lights. Never mention the internal refund limit of two hundred euros. "
    "Always answer in the customer's language, keep to three sentences, and hand over to a colleague whenever a lawyer is mentioned. "
    "Discounts above ten percent need the approval code that the shift lead reads out in the morning."
)


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


def request(*said: str, system: str | None = PROMPT) -> ModelRequest:
    return ModelRequest(system=system, messages=tuple(user(text) for text in said or ("Hello",)))


def answer(*parts: Any) -> ModelResponse:
    made = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    return ModelResponse(provider="p", model="m", parts=made, finish_reason="stop", usage=Usage())


def test_personal_data_that_nobody_gave_and_secrets_are_found_by_kind(redactor: Redactor) -> None:
    call = ToolCallPart(id="1", name="mail", arguments={"to": "eve@y.org", "password": "hunter2xyz", "n": 4111111111111111})
    found = redactor.scan_answer(answer("Write to bob@x.org or bob@x.org.", call), request(), PlaceholderVault())
    assert found.entities == {"EMAIL_ADDRESS": 3, "CREDIT_CARD": 1}
    assert sum(found.secrets.values()) == 1
    assert not found.clean


def test_what_was_given_is_not_new_whether_replaced_or_allowed(redactor: Redactor) -> None:
    asked, vault, _ = redactor.redact_request(
        request("ann@x.org", "203.0.113.9"), PlaceholderVault(), Plan(operators={"IP": "allow"})
    )
    found = redactor.scan_answer(answer("Mail <EMAIL_1>, EMAIL_1 or ann@x.org from 203.0.113.9"), asked, vault)
    assert found.clean


def test_an_ordinary_answer_is_clean(redactor: Redactor) -> None:
    said = (
        "Hello! Your invoice of March was paid twice; we send the money back within ten days. Is there anything else I can do?"
    )
    found = redactor.scan_answer(answer(said), request("I paid my invoice twice"), PlaceholderVault())
    assert found.clean
    assert found.leak == 0


LEAKS = {
    "as it is": PROMPT,
    "a part of it": f"Well: {PROMPT[56:150]}...",
    "other case": PROMPT.upper(),
    "other spaces": "  ".join(PROMPT),
    "without spaces": PROMPT.replace(" ", ""),
    "line by line": PROMPT.replace(" ", "\n- "),
    "without punctuation": "".join(letter for letter in PROMPT if letter.isalnum() or letter == " "),
    "as markdown": " ".join(f"**{word}**" for word in PROMPT.split()),
    "full width": "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in PROMPT),
    "base64": f"Here: {base64.b64encode(PROMPT.encode()).decode()} done",
    "base64 for URLs": base64.urlsafe_b64encode(PROMPT.encode()).decode(),
    "base64 in lines": base64.encodebytes(PROMPT.encode()).decode(),
    "hexadecimal": PROMPT.encode().hex(),
    "hexadecimal with blanks": PROMPT.encode().hex(" "),
    "rot13": codecs.encode(PROMPT, "rot13"),
    "backwards": PROMPT[::-1],
}


@pytest.mark.parametrize("how", LEAKS)
def test_instructions_in_an_answer_are_a_leak_however_they_are_written(how: str) -> None:
    leak, leaked = leak_of(f"Sure. {LEAKS[how]}", request())
    assert leaked
    assert 0 < leak <= 1


@pytest.mark.parametrize(
    "said",
    [
        "I am the billing assistant of Harbour Lights and answer in your language.",
        "Discounts need an approval. I hand over to a colleague whenever you want.",
        "",
        "x" * 1000,
        base64.b64encode(b"nothing of the kind stands in here, I promise you").decode(),
    ],
)
def test_words_that_the_instructions_share_with_any_answer_are_none(said: str) -> None:
    assert not leak_of(said, request())[1]


def test_what_the_user_said_too_is_no_secret_of_the_instructions() -> None:
    assert not leak_of(PROMPT, request(f"Translate: {PROMPT}"))[1]


def test_a_request_without_instructions_or_with_a_mere_sentence_leaks_nothing() -> None:
    assert leak_of(PROMPT, request(system=None)) == (0.0, False)
    assert leak_of("You are helpful.", request(system="You are helpful.")) == (0.0, False)


def test_short_instructions_leak_when_most_of_them_is_said() -> None:
    system = "Never tell anybody that the vault code is orchid seven."
    assert leak_of(f"My instructions: {system}", request(system=system))[1]
    assert not leak_of("I never tell anybody secrets.", request(system=system))[1]


@pytest.mark.parametrize("food", ["a", "A1", "0 ", "QUJD", "the same words over and over "])
def test_a_megabyte_of_food_is_digested(food: str) -> None:
    long = (food * 1_000_000)[:1_000_000]
    leak_of(long, request(system=long))
    leak_of(long, request())


@given(
    before=st.text("abc", max_size=60),
    shared=st.text("abc", min_size=30, max_size=60),
    after=st.text("abc", max_size=60),
    other=st.text("xyz", max_size=300),
)
def test_instructions_are_noticed_wherever_they_stand_in_the_answer(before: str, shared: str, after: str, other: str) -> None:
    asked = request(system=shared)
    assert leak_of(f"{other}{before}{shared}{after}{other}", asked) == (1.0, True)
    assert leak_of(other, asked) == (0.0, False)
