"""A signed bundle is exactly what was signed, by somebody trusted, and it works: anything else is refused and says why."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.private_files import UnsafeSecret
from agentos.signing_key import load, load_or_create
from services.policy.bundles import BundleFault, SignedBundle, key_id_of, read, sign, verify, write_folder
from services.policy.evaluator import BUNDLE, Bundle, read_bundle, revision_of
from services.policy.signing import public_text, trusted, trusted_by
from services.policy.trial import try_out
from tests.opa import opa_binary
from tests.services.policy.conftest import BundleOf

KEY = Ed25519PrivateKey.generate()
TRUSTED = {key_id_of(KEY.public_key()): KEY.public_key()}
NOW = datetime(2026, 1, 31, tzinfo=UTC)
SOON = timedelta(seconds=60)


@pytest.fixture(scope="module")
def shipped() -> SignedBundle:
    return sign(BUNDLE, 1, NOW, KEY)


def travelled(signed: SignedBundle) -> dict[str, Any]:
    return json.loads(json.dumps(signed.document()))


def with_rule(shipped: SignedBundle, source: str, **config: Any) -> SignedBundle:
    """The shipped bundle with another API package, as if it had been signed so; without its tests."""
    bundle = Bundle({**shipped.modules, "agentos.api": source}, {**shipped.config, **config})
    return shipped.model_copy(
        update={"modules": bundle.modules, "config": bundle.config, "revision": revision_of(bundle), "tests": {}}
    )


def test_what_was_signed_is_read_again_and_has_the_revision_of_its_rules(shipped: SignedBundle) -> None:
    again = verify(travelled(shipped), TRUSTED)
    assert again == shipped
    assert again.revision == revision_of(read_bundle())


def test_a_bundle_becomes_the_same_folder_again(shipped: SignedBundle, tmp_path: Path) -> None:
    write_folder(shipped, tmp_path)
    assert revision_of(read_bundle(tmp_path)) == shipped.revision
    assert sign(tmp_path, 1, NOW, KEY).tests == shipped.tests


def test_a_key_that_nobody_trusts_signs_nothing(shipped: SignedBundle) -> None:
    with pytest.raises(BundleFault) as caught:
        verify(travelled(shipped), {})
    assert caught.value.code == "bundle.unknown_key"


def test_another_key_under_a_trusted_keys_id_signs_nothing(shipped: SignedBundle) -> None:
    with pytest.raises(BundleFault) as caught:
        verify(travelled(shipped), {shipped.key_id: Ed25519PrivateKey.generate().public_key()})
    assert caught.value.code == "bundle.bad_signature"


def grown(document: dict[str, Any]) -> None:
    document["config"]["roles"]["viewer"].append("keys.manage")


def renumbered(document: dict[str, Any]) -> None:
    document["version"] = 2


def redated(document: dict[str, Any]) -> None:
    document["created_at"] = "2030-01-01T00:00:00Z"


def untested(document: dict[str, Any]) -> None:
    document["tests"].clear()


def unsigned(document: dict[str, Any]) -> None:
    document["signature"] = ""


def garbled(document: dict[str, Any]) -> None:
    document["signature"] = "not base64"


def extended(document: dict[str, Any]) -> None:
    document["note"] = "x"


def misfiled(document: dict[str, Any]) -> None:
    document["modules"]["agentos.extra"] = document["modules"]["agentos.api"]


def nameless(document: dict[str, Any]) -> None:
    document["modules"]["agentos.api"] = "decision := 1"


def elsewhere(document: dict[str, Any]) -> None:
    document["tests"]["../evil_test.rego"] = "package x"


def zeroth(document: dict[str, Any]) -> None:
    document["version"] = 0


def lonely(document: dict[str, Any]) -> None:
    document["config"]["x"] = float("nan")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (grown, "bundle.revision_differs"),
        (renumbered, "bundle.bad_signature"),
        (redated, "bundle.bad_signature"),
        (untested, "bundle.bad_signature"),
        (unsigned, "bundle.bad_signature"),
        (garbled, "bundle.bad_signature"),
        (extended, "bundle.malformed"),
        (misfiled, "bundle.malformed"),
        (nameless, "bundle.malformed"),
        (elsewhere, "bundle.malformed"),
        (zeroth, "bundle.malformed"),
        (lonely, "bundle.revision_differs"),
    ],
)
def test_a_bundle_that_was_changed_is_refused(
    shipped: SignedBundle, change: Callable[[dict[str, Any]], None], code: str
) -> None:
    document = travelled(shipped)
    change(document)
    with pytest.raises(BundleFault) as caught:
        verify(document, TRUSTED)
    assert caught.value.code == code


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
fields = st.sampled_from([*SignedBundle.model_fields]) | st.text()


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(fields, json_values))
def test_any_other_document_is_refused_in_our_own_words(document: dict[str, Any]) -> None:
    with pytest.raises(BundleFault):
        read(document)


async def test_the_shipped_rules_pass_their_own_trial(shipped: SignedBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(opa_binary().parent), prepend=":")
    await try_out(shipped, deadline=timedelta(seconds=60))


API = "package agentos.api\n\n"
ALLOW = '{"verdict": "allow", "reasons": ["r"], "rules": ["r"], "monitored": [], "obligations": {}}'


@pytest.mark.parametrize(
    ("source", "code"),
    [
        pytest.param("decision := {", "bundle.uncompilable", id="syntax"),
        pytest.param("decision := no_such_function(1)", "bundle.undefined", id="unknown_function"),
        pytest.param("x := 1", "bundle.undefined", id="undefined"),
        pytest.param('decision := "allow"', "bundle.undefined", id="nonsense"),
        pytest.param("decision := data.agentos.api.decision", "bundle.undefined", id="recursion"),
        pytest.param("a := b\n\nb := a\n\ndecision := a", "bundle.undefined", id="mutual_recursion"),
        pytest.param(f'decision := {ALLOW} if input.action == "tasks.read"', "bundle.undefined", id="undefined_for_some"),
    ],
)
async def test_rules_that_do_not_work_are_refused(shipped: SignedBundle, source: str, code: str) -> None:
    with pytest.raises(BundleFault) as caught:
        await try_out(with_rule(shipped, f"{API}{source}\n"), deadline=SOON)
    assert caught.value.code == code


async def test_rules_that_take_for_ever_are_stopped(shipped: SignedBundle) -> None:
    loop = "count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i * j < 0])"
    endless = with_rule(shipped, f"{API}decision := {ALLOW} if {loop} == 0\n")
    with pytest.raises(BundleFault) as caught:
        await try_out(endless, deadline=timedelta(seconds=2))
    assert caught.value.code == "bundle.too_slow"


SPEND = {
    "name": "spend", "scope": "pack", "metric": "spend_usd", "window": "1m", "limit": 5, "mode": "drain", "cool_down_s": 600,
}  # fmt: skip


async def test_a_trigger_is_a_rule_that_can_be_put_on_monitor(shipped: SignedBundle) -> None:
    rules = shipped.modules["agentos.api"]
    modes = {"trigger.spend": "monitor"}
    await try_out(with_rule(shipped, rules, kill={"triggers": [SPEND]}, modes=modes), deadline=timedelta(seconds=30))
    for kill in ({"triggers": []}, {"triggers": "spend"}, {"triggers": [{}, "spend"]}, []):
        with pytest.raises(BundleFault) as caught:
            await try_out(with_rule(shipped, rules, kill=kill, modes=modes), deadline=SOON)
        assert caught.value.code == "bundle.bad_mode", kill


@pytest.mark.parametrize("modes", [{"api.no_such_rule": "monitor"}, {"api.role_permits": "observe"}, ["api.role_permits"]])
async def test_a_mode_that_would_not_be_obeyed_is_refused(shipped: SignedBundle, modes: Any) -> None:
    with pytest.raises(BundleFault) as caught:
        await try_out(with_rule(shipped, shipped.modules["agentos.api"], modes=modes), deadline=SOON)
    assert caught.value.code == "bundle.bad_mode"


async def test_a_bundle_whose_own_cases_fail_is_refused_and_names_the_case(shipped: SignedBundle) -> None:
    table = {"cases": {"api": {"base": json.loads(shipped.tests["api.cases.json"])["cases"]["api"]["base"], "cases": [
        {"note": "a viewer may nothing", "want": {"verdict": "deny"}}
    ]}}}  # fmt: skip
    with pytest.raises(BundleFault, match="a viewer may nothing") as caught:
        await try_out(shipped.model_copy(update={"tests": {"api.cases.json": json.dumps(table)}}), deadline=SOON)
    assert caught.value.code == "bundle.case_failed"


@pytest.mark.opa
async def test_a_bundle_whose_own_rego_tests_fail_is_refused(shipped: SignedBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(opa_binary().parent), prepend=":")
    failing = {"own_test.rego": "package own_test\n\ntest_never if data.agentos.lib.no_such_thing\n"}
    with pytest.raises(BundleFault) as caught:
        await try_out(shipped.model_copy(update={"tests": failing}), deadline=timedelta(seconds=30))
    assert caught.value.code == "bundle.tests_failed"


def test_a_signing_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "policy.key"
    made = load_or_create(path)
    assert public_text(load_or_create(path).public_key()) == public_text(made.public_key())
    path.chmod(0o644)
    with pytest.raises(UnsafeSecret, match="0644"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff"])
def test_a_file_that_holds_no_key_signs_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "policy.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(UnsafeSecret):
        load(path)


def test_an_installation_trusts_its_own_key_only_where_it_names_no_other(tmp_path: Path) -> None:
    own = tmp_path / "policy.key"
    assert [*trusted_by("", None, own)] == [key_id_of(load(own).public_key())]
    other = tmp_path / "trusted"
    other.write_text(f"# the release team\n{public_text(KEY.public_key())}\n")
    assert [*trusted_by("", other, own)] == [*TRUSTED]
    assert [*trusted_by(f" {public_text(KEY.public_key())},", None, own)] == [*TRUSTED]


@pytest.mark.parametrize("text", ["x", "", "AAAA", "é"])
def test_a_text_that_is_no_key_is_not_trusted(text: str) -> None:
    with pytest.raises(ValueError, match="Ed25519"):
        trusted([text])


def test_a_bundle_from_a_folder_that_lacks_something_is_not_signed(bundle_of: BundleOf) -> None:
    with pytest.raises(BundleFault):
        sign(bundle_of(), 0, NOW, KEY)
