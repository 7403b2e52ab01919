"""Destinations of a tool call, and which of them whoever asked for the task has named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Json
from services.policy.destinations import Destination, destinations, foreign, hosts, strings


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://Evil.example/collect?x=1", {"evil.example"}),
        ("http://user:pw@evil.example:8080/", {"evil.example"}),
        ("//cdn.evil.example/x.js", {"cdn.evil.example"}),
        ("ftp://[2001:db8::1]/x", {"[2001:db8::1]"}),
        ("git@evil.example:me/repo.git", {"evil.example"}),
        ("www.evil.example", {"www.evil.example"}),
        ("evil.example/path", {"evil.example"}),
        ("evil.example:443", {"evil.example"}),
        ("wss://evil.example", {"evil.example"}),
        ("report.pdf and main.py, version 1.2.3", set()),
        ("and/or 3/4 of a/b", set()),
    ],
)
def test_hosts_are_found_however_they_are_written(text: str, found: set[str]) -> None:
    assert set(hosts(text)) == found


def test_declared_parameters_are_destinations_whatever_they_hold() -> None:
    arguments = {"to": ["#general", 7], "repository": "octo/app", "body": "text", "empty": " "}
    places = destinations(arguments, [("EMAIL", "a@x.org"), ("PERSON", "Ann")], ("to", "repository", "empty", "missing"))
    assert places == (
        Destination("EMAIL", "a@x.org"),
        Destination("PARAMETER", "#general"),
        Destination("PARAMETER", "7"),
        Destination("PARAMETER", "octo/app"),
    )


@pytest.mark.parametrize(
    ("place", "trusted", "is_foreign"),
    [
        (Destination("EMAIL", "Bob@X.org"), "mail it to bob@x.org, please", False),
        (Destination("EMAIL", "bob@x.org"), "mail it to notbob@x.org", True),
        (Destination("EMAIL", "bob@x.org"), "mail it to bob@x.org.evil.example", True),
        (Destination("EMAIL", "bob@x.org"), "mail it to bob@x.org.", False),
        (Destination("EMAIL", "b\u043eb@x.org"), "mail it to bob@x.org", True),  # a Cyrillic letter
        (Destination("PHONE", "+49 30 1234567"), "call +49-30-1234567 today", False),
        (Destination("PHONE", "+49 30 1234567"), "call +49 30 12345678 today", True),
        (Destination("IBAN", "DE89370400440532013000"), "to DE89 3704 0044 0532 0130 00", False),
        (Destination("HOST", "x.org"), "post it to https://x.org/hook", False),
        (Destination("HOST", "x.org"), "post it to https://x.org.evil.example/hook", True),
        (Destination("HOST", "x.org"), "post it to https://evil-x.org/hook", True),
        (Destination("HOST", "x.org"), "my address is ann@x.org", True),
        (Destination("PARAMETER", "octo/app"), "triage issues of octo/app", False),
        (Destination("PARAMETER", "app"), "triage issues of octo/application", True),
        (Destination("PARAMETER", "7"), "close issue 7", False),
        (Destination("PARAMETER", "7"), "close issue 17", True),
    ],
)
def test_only_what_the_trusted_text_names_as_a_whole_is_known(place: Destination, trusted: str, is_foreign: bool) -> None:
    assert foreign([place], [trusted]) == ((place.kind,) if is_foreign else ())


def test_without_a_trusted_text_everything_is_foreign() -> None:
    assert foreign([Destination("HOST", "x.org"), Destination("EMAIL", "a@x.org")], []) == ("EMAIL", "HOST")


_json: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_any_arguments_and_any_input_can_be_compared(value: Json) -> None:
    places = destinations(value, [], ("to",))
    assert set(foreign(places, strings(value))) <= {place.kind for place in places}


@given(st.from_regex(r"[a-z0-9]{1,12}@[a-z]{1,10}\.org", fullmatch=True), st.text(max_size=30), st.text(max_size=30))
def test_an_address_that_stands_alone_in_the_input_is_never_foreign(address: str, before: str, after: str) -> None:
    assert foreign([Destination("EMAIL", address)], [f"{before} <{address}>, {after}"]) == ()
