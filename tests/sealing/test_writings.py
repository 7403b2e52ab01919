"""The writings of a placeholder that are understood, and what a part of a text leaves open."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.sealing import PlaceholderVault, restore
from agentos.sealing.writings import CONTEXT, LONGEST, undecided, writings

VAULT, _ = PlaceholderVault().add_all([("EMAIL", "ann@x.org"), ("EMAIL", "Ann@x.org")])

RESTORED_WHOLE = [
    "<EMAIL_1>", "<email_1>", "< EMAIL_1 >", "<\tEmail_1  >", "[EMAIL_1]", "[email_1]", "{EMAIL_1}", "{{EMAIL_1}}", "[[EMAIL_1]]",
    "&lt;EMAIL_1&gt;", "&LT;email_1&GT;", "&#60;EMAIL_1&#62;", r"\u003cEMAIL_1\u003e", r"\u003CEMAIL_1\u003E", "EMAIL_1", "<EMAIL 1>",
    "<Email-1>", "<EMAIL1>", "<EMAIL _1>", r"EMAIL\_1", r"<EMAIL\_1>", r"\<EMAIL\_1\>", r"[EMAIL\_1]", "\uff1cEMAIL_1\uff1e",
    "\u27e8EMAIL_1\u27e9", "<EMAIL\u20111>", "<EMAIL\u00a01>", "[ Email 1 ]",
]  # fmt: skip
RESTORED_WITHIN = [
    ("(EMAIL_1)", "(ann@x.org)"),
    ("**<EMAIL_1>**", "**ann@x.org**"),
    ("`EMAIL_1`", "`ann@x.org`"),
    ('"EMAIL_1"', '"ann@x.org"'),
    ("<EMAIL_1", "<ann@x.org"),
    ("EMAIL_1>", "ann@x.org>"),
    ("<\nEMAIL_1>", "<\nann@x.org>"),
    ("<td>EMAIL_1</td>", "<td>ann@x.org</td>"),
    ("[EMAIL_1](mailto:EMAIL_1)", "[ann@x.org](mailto:ann@x.org)"),
    ("x[EMAIL_1]", "x[ann@x.org]"),
    ("to EMAIL_1, EMAIL_1_2.", "to ann@x.org, Ann@x.org."),
    ("<EMAIL_1><EMAIL_1_2>", "ann@x.orgAnn@x.org"),
    ("\\\\<EMAIL_1>", "\\\\ann@x.org"),
    ("<EMAIL 1 2>", "Ann@x.org"),
]


@pytest.mark.parametrize("written", RESTORED_WHOLE)
@pytest.mark.parametrize("around", ["{}", "to {}!", "a {} b", "({})", "x: {}\n", "<{}"])
def test_a_placeholder_is_known_whatever_a_model_made_of_it(written: str, around: str) -> None:
    assert restore(around.replace("{}", written), VAULT) == around.replace("{}", "ann@x.org")


@pytest.mark.parametrize(("written", "restored"), RESTORED_WITHIN)
def test_what_belongs_to_the_text_around_stays(written: str, restored: str) -> None:
    assert restore(written, VAULT) == restored


@pytest.mark.parametrize("written", RESTORED_WHOLE)
def test_no_writing_is_longer_than_the_longest(written: str) -> None:
    assert len(written) <= LONGEST
    assert all(writing.end - writing.start <= LONGEST for writing in writings(written))


pieces = st.sampled_from(
    [
        *RESTORED_WHOLE,
        *(written for written, _ in RESTORED_WITHIN),
        "<",
        ">",
        "[",
        "]",
        "{",
        "}",
        "\\",
        "&lt;",
        "EMAIL",
        "_",
        "1",
        " ",
        "$",
        "é",
    ]
) | st.text(max_size=3)
texts = st.lists(pieces, max_size=8).map("".join)


@settings(max_examples=1000, deadline=None)
@given(texts, texts)
def test_what_is_decided_stays_so_whatever_follows(before: str, after: str) -> None:
    open_from = undecided(before)
    assert len(before) - open_from <= LONGEST
    then = [writing for writing in writings(before + after) if writing.start < open_from]
    now = [writing for writing in writings(before) if writing.start < open_from]
    assert then == now
    assert all(writing.end <= open_from for writing in now)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_only_so_many_characters_before_decide(text: str) -> None:
    for writing in writings(text):
        start = max(0, writing.start - CONTEXT)
        assert writing.start - start in {found.start for found in writings(text[start:])}
