"""Verification as pure functions: what is genuine passes, whatever else comes is refused by name and never raises."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.gateway import strict_json
from services.gateway.webhooks import github, sources, standard
from services.gateway.webhooks.verdict import Rejected, Verified

SECRET = b"k" * 32
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))

header_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=120)
clean_text = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)))
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | clean_text
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(clean_text, inner, max_size=4), max_leaves=20
)


@given(st.binary(max_size=2_000))
def test_what_github_signs_passes_with_the_bodys_digest_as_identity(body: bytes) -> None:
    verdict = github.verify(SECRET, {github.SIGNATURE: github.sign(SECRET, body)}, body)
    assert verdict == Verified(hashlib.sha256(body).hexdigest())


@given(st.binary(min_size=1, max_size=200), st.integers(0, 1_599))
def test_any_flipped_bit_of_a_body_is_refused(body: bytes, bit: int) -> None:
    changed = bytearray(body)
    changed[(bit // 8) % len(body)] ^= 1 << (bit % 8)
    by_github = github.verify(SECRET, {github.SIGNATURE: github.sign(SECRET, body)}, bytes(changed))
    headers = {standard.ID: "m", standard.TIMESTAMP: STAMP, standard.SIGNATURE: standard.sign(SECRET, "m", STAMP, body)}
    by_standard = standard.verify(SECRET, headers, bytes(changed), NOW)
    assert isinstance(by_github, Rejected)
    assert isinstance(by_standard, Rejected)
    assert by_github.code == by_standard.code == "signature_mismatch"


@given(st.dictionaries(st.sampled_from([github.SIGNATURE, standard.ID, standard.TIMESTAMP, standard.SIGNATURE]), header_text))
@example({standard.ID: "m", standard.TIMESTAMP: "9" * 12, standard.SIGNATURE: "v1,"})
@example({standard.ID: "m", standard.TIMESTAMP: "١٢٣", standard.SIGNATURE: "v1,AAAA"})
@example({standard.ID: "m", standard.TIMESTAMP: STAMP, standard.SIGNATURE: "v1,é v1 , ,,"})
def test_no_header_raises_and_none_passes_unsigned(headers: dict[str, str]) -> None:
    assert isinstance(github.verify(SECRET, headers, b"{}"), Rejected)
    assert isinstance(standard.verify(SECRET, headers, b"{}", NOW), Rejected)


def test_one_good_signature_among_bad_ones_is_enough() -> None:
    good = standard.sign(SECRET, "m", STAMP, b"{}")
    for given_ in (f"v1,AAAA {good}", f"v1a,xyz {good}", f"garbage {good}", f"{good} v1,%%"):
        assert standard.verify(
            SECRET, {standard.ID: "m", standard.TIMESTAMP: STAMP, standard.SIGNATURE: given_}, b"{}", NOW
        ) == Verified("m")


@pytest.mark.parametrize(("seconds", "passes"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_the_timestamp_may_be_five_minutes_off(seconds: int, passes: bool) -> None:
    headers = {standard.ID: "m", standard.TIMESTAMP: STAMP, standard.SIGNATURE: standard.sign(SECRET, "m", STAMP, b"{}")}
    assert isinstance(standard.verify(SECRET, headers, b"{}", NOW + timedelta(seconds=seconds)), Verified) == passes


def test_an_id_with_a_full_stop_is_refused_for_it_could_be_cut_elsewhere() -> None:
    headers = {standard.ID: "m.1", standard.TIMESTAMP: STAMP, standard.SIGNATURE: standard.sign(SECRET, "m.1", STAMP, b"{}")}
    verdict = standard.verify(SECRET, headers, b"{}", NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.code == "webhook_id_malformed"


@settings(max_examples=30)
@given(
    json_values,
    st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    st.sampled_from([0, 200, -200, 400, -400]),
    st.booleans(),
)
def test_the_package_agrees_on_everything_well_formed(value: Any, id_: str, age: int, tamper: bool) -> None:
    """Our verification and the ``standardwebhooks`` package give the same verdict."""
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    now = datetime.now(UTC)
    body, stamp = json.dumps(value), str(int(now.timestamp()) - age)
    signature = standardwebhooks.Webhook(secret).sign(id_, datetime.fromtimestamp(int(stamp), UTC), body)
    sent = body + " " if tamper else body
    headers = {standard.ID: id_, standard.TIMESTAMP: stamp, standard.SIGNATURE: signature}
    try:
        standardwebhooks.Webhook(secret).verify(sent, headers)
        theirs = True
    except standardwebhooks.WebhookVerificationError:
        theirs = False
    ours = standard.verify(standard.parse_secret(secret), headers, sent.encode(), now)
    assert isinstance(ours, Verified) == theirs == (abs(age) < 300 and not tamper)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_c2hvcnQ=", base64.b64encode(SECRET).decode()])
def test_a_bad_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValueError) as refused:
        standard.parse_secret(secret)
    assert len(secret) < 8 or secret.removeprefix("whsec_") not in str(refused.value)


@given(json_values)
def test_strict_json_reads_what_json_writes(value: Any) -> None:
    assert strict_json.parse(json.dumps(value).encode(), max_depth=100) == value
    assert strict_json.parse(json.dumps(value, ensure_ascii=False).encode(), max_depth=100) == value


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
@example(b'"\\')
@example(b'{"a":"' + b'\\"' * 5_000)
@example(b'"' * 20_001 + b"[" * 100)
@example(b'{"\\ud800":{"\\ud800":1}}')
def test_strict_json_never_raises_anything_else(body: bytes) -> None:
    try:
        strict_json.parse(body)
    except strict_json.BadJson as bad:
        bad.detail.encode()


def test_depth_counts_brackets_outside_strings_only() -> None:
    deep = b"[" * strict_json.MAX_DEPTH + b"]" * strict_json.MAX_DEPTH
    assert strict_json.parse(deep)
    with pytest.raises(strict_json.BadJson, match="deeper"):
        strict_json.parse(b"[" + deep + b"]")
    assert strict_json.parse(b'{"a":"' + b"[" * 1_000 + b'"}') == {"a": "[" * 1_000}


GITHUB = {"kind": "github", "secret_env": "S", "events": {"issues.opened": "triage"}}


def test_sources_are_loaded_with_their_secrets_from_environment_or_file(tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text("another-secret-of-some-length\n")
    config = tmp_path / "sources.json"
    config.write_text(
        json.dumps({"gh": GITHUB, "gh2": {"kind": "github", "secret_file": str(secret_file), "events": {"*": "any"}}})
    )
    loaded = sources.load(config, {"S": "a-secret-of-some-length"})
    assert loaded["gh"].key == b"a-secret-of-some-length"
    assert loaded["gh2"].key == b"another-secret-of-some-length"
    assert "secret-of-some" not in repr(loaded)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"gh": GITHUB | {"secret_env": "UNSET"}}, "UNSET"),
        ({"gh": GITHUB | {"secret_file": "/x"}}, "one of them"),
        ({"gh": GITHUB | {"events": {}}}, "events"),
        ({"gh": GITHUB | {"events": {"issues.opened": "a b"}}}, "events"),
        ({"gh": GITHUB | {"colour": "red"}}, "colour"),
        ({"g.h": GITHUB}, "g.h"),
        ({"st": GITHUB | {"kind": "standard"}}, "whsec_"),
        ([], "dictionary"),
    ],
)
def test_a_bad_configuration_names_what_is_wrong(tmp_path: Path, config: Any, said: str) -> None:
    path = tmp_path / "sources.json"
    path.write_text(json.dumps(config))
    with pytest.raises(sources.BadSources, match=said):
        sources.load(path, {"S": "a-secret-of-some-length"})


def test_an_event_is_matched_by_its_most_specific_row() -> None:
    source = sources.Source(
        "s", "github", sources.SecretStr(""), b"", "default", {"issues.opened": "a", "issues": "b", "*": "c"}
    )
    meant = [sources.meaning(source, *event) for event in (("issues", "opened"), ("issues", "closed"), ("push", None))]
    assert [m.task_type for m in meant if isinstance(m, sources.Wanted)] == ["a", "b", "c"]
