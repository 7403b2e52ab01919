"""Properties of the pure parts: ids, subjects, envelope."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.base import Principal
from agentos.contracts.channels import BY_NAME, CHANNELS
from agentos.contracts.commands import CancelTask, TimerDue
from agentos.contracts.envelope import Meta, decode, decode_headers, encode_body, encode_headers
from agentos.contracts.errors import NeverRetry
from agentos.contracts.ids import call_id, derived_id, is_token, new_id, uuid7
from agentos.contracts.subjects import EventSubject, aggregate_pattern, fill, matches

TOKEN = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)
HEADER_TEXT = st.from_regex(r"[!-~]([ -~]{0,40}[!-~])?", fullmatch=True)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
TIMES = st.builds(datetime.fromtimestamp, st.floats(0, 4_000_000_000), ZONES)
METAS = st.builds(
    Meta,
    event_id=TOKEN,
    schema=st.just("timer.gates-expire-due/1"),
    tenant=TOKEN,
    correlation_id=HEADER_TEXT,
    causation_id=TOKEN,
    time=TIMES,
    traceparent=st.none() | HEADER_TEXT,
)
DUE = "timer.gates.due.expire.x"


@given(METAS, st.integers(), TOKEN)
def test_an_envelope_survives_its_round_trip(meta: Meta, ordinal: int, tenant: str) -> None:
    payload = TimerDue(tenant=tenant, ordinal=ordinal)
    recorded = decode(DUE, encode_headers(meta), encode_body(payload), 7)
    assert (recorded.meta, recorded.data, recorded.seq) == (meta, payload, 7)


@given(st.text(min_size=1, max_size=1_000), st.text(max_size=4_000))
def test_free_text_survives_in_a_body(reason: str, id_: str) -> None:
    payload = CancelTask(tenant="t", task="x", reason=reason, by=Principal(kind="api_key", id=id_))
    meta = Meta("e", "orchestrator.cancel/1", "t", "c", "e", datetime.now(UTC))
    assert decode("cmd.orchestrator.cancel.x", encode_headers(meta), encode_body(payload)).data == payload


@given(
    st.dictionaries(st.sampled_from([*encode_headers(Meta("e", "s/1", "t", "c", "e", datetime.now(UTC)))]), st.text()),
    st.binary(),
)
def test_whatever_arrives_is_a_message_or_never_retried(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(NeverRetry):
        decode(DUE, headers, body)


@pytest.mark.parametrize("value", ["a\r\nNats-Rollup: all", "a\nb", "", " a", "a ", "ä", "a\x00"])
def test_a_correlation_id_that_could_write_another_header_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Agentos-Correlation-Id"):
        encode_headers(Meta("e", "s/1", "t", value, "e", datetime.now(UTC)))


@pytest.mark.parametrize(
    ("header", "value"),
    [("Agentos-Tenant", "a.b"), ("Agentos-Tenant", "*"), ("Agentos-Time", "2026-01-01T00:00:00"), ("Agentos-Time", "now")],
)
def test_a_header_that_is_no_token_or_no_time_with_a_zone_is_named(header: str, value: str) -> None:
    good = encode_headers(Meta("e", "s/1", "t", "c", "e", datetime.now(UTC)))
    with pytest.raises(NeverRetry, match=header) as refused:
        decode_headers(good | {header: value})
    assert refused.value.code == "bad_envelope"


def test_an_event_whose_header_names_another_tenant_than_its_subject_is_refused() -> None:
    meta = Meta("e", "audit.checkpointed/1", "mine", "c", "e", datetime.now(UTC))
    with pytest.raises(NeverRetry, match="tenant"):
        decode("evt.yours.audit.x.checkpointed", encode_headers(meta), b"{}")


def test_a_refused_body_says_where_and_never_what() -> None:
    meta = Meta("e", "timer.gates-expire-due/1", "t", "c", "e", datetime.now(UTC))
    with pytest.raises(NeverRetry) as refused:
        decode(DUE, encode_headers(meta), b'{"tenant": "t", "ordinal": "4111 1111 1111 1111", "extra": "secret"}')
    assert refused.value.code == "bad_payload"
    assert "ordinal" in refused.value.detail
    assert "extra" in refused.value.detail
    assert "4111" not in refused.value.detail
    assert "secret" not in refused.value.detail


@given(TOKEN, TOKEN, TOKEN, TOKEN, st.none() | TOKEN)
def test_an_event_subject_survives_its_round_trip_and_its_aggregate_covers_it(
    tenant: str, aggregate: str, id_: str, fact: str, ordinal: str | None
) -> None:
    subject = EventSubject(tenant, aggregate, id_, fact, ordinal)
    assert EventSubject.parse(str(subject)) == subject
    assert matches(subject.stem, str(subject))
    assert not matches(aggregate_pattern(tenant, aggregate, id_ + "x"), str(subject))


@given(st.text())
def test_whatever_text_is_an_event_subject_or_a_value_error(text: str) -> None:
    try:
        parsed = EventSubject.parse(text)
    except ValueError:
        return
    assert str(parsed) == text


@given(st.sampled_from(CHANNELS), st.data())
def test_a_filled_pattern_covers_its_subject_and_no_token_leaves_its_place(channel: object, data: st.DataObject) -> None:
    row = next(c for c in CHANNELS if c is channel)
    tokens = data.draw(st.lists(TOKEN, min_size=row.pattern.count("*"), max_size=row.pattern.count("*")))
    subject = fill(row.pattern, *tokens)
    assert matches(row.pattern, subject)
    assert [t for t, p in zip(subject.split("."), row.pattern.split("."), strict=True) if p == "*"] == tokens


@given(st.text().filter(lambda text: not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text)))
def test_what_is_no_token_never_gets_into_a_subject(text: str) -> None:
    with pytest.raises(ValueError, match="token"):
        fill(BY_NAME["gates.engage"].pattern, text)


def test_too_few_or_too_many_tokens_are_refused() -> None:
    for tokens in ((), ("a", "b")):
        with pytest.raises(ValueError, match="token"):
            fill("cmd.gates.engage.*", *tokens)


@given(st.lists(TOKEN, min_size=1, max_size=6), st.data())
def test_wildcards_match_as_the_broker_matches(tokens: list[str], data: st.DataObject) -> None:
    subject = ".".join(tokens)
    starred = [data.draw(st.sampled_from([token, "*"])) for token in tokens]
    assert matches(".".join(starred), subject)
    assert matches(">", subject)
    assert not matches(".".join([*starred, "*"]), subject)
    assert not matches(".".join([*starred, ">"]), subject)
    for keep in range(len(tokens)):
        assert matches(".".join([*starred[:keep], ">"]), subject)


@given(st.integers(0, 2**48 - 2), st.integers(1, 10_000), st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_new_ids_sort_by_time(at: int, later: int, one: int, other: int) -> None:
    assert uuid7(at, one) < uuid7(min(at + later, 2**48 - 1), other)
    assert uuid7(at, one)[14] == "7"
    assert uuid7(at, one)[19] in "89ab"


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_derived_ids_are_equal_exactly_when_their_parts_are(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)
    assert derived_id(*one)[14] == "8"


def test_every_made_id_can_stand_in_a_subject() -> None:
    assert all(is_token(made) for made in (new_id(), derived_id("a", "é"), call_id(new_id(), 12, 3)))
