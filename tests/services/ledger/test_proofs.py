"""Proof files, and the verifier as an auditor runs it: one file, a bare Python, nothing of ours installed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.cli.audit import _write_verifier
from agentos.contracts import envelope
from services.ledger import keys
from services.ledger.audit import chain, ed25519, merkle, proof
from services.ledger.audit.anchors import Anchor, anchor_line
from services.ledger.audit.proof import verify_proof
from tests.services.ledger.test_verify import FILE, KEY, OTHER, PUBLIC, STREAM, kinds, signed_over, written

HASHES = chain.links(chain.GENESIS, STREAM)
TREE = merkle.Tree()
for _hash in HASHES:
    TREE.append(_hash)
SIGNED = signed_over(STREAM)
EARLIER = signed_over(STREAM[:9])


def inclusion(seq: int) -> bytes:
    path = merkle.inclusion_path(seq - 1, SIGNED.count, TREE.reader())
    previous = HASHES[seq - 2] if seq > 1 else chain.GENESIS
    return proof.inclusion_line(PUBLIC, STREAM[seq - 1], previous, path, SIGNED)


def consistency() -> bytes:
    path = merkle.consistency_path(EARLIER.count, SIGNED.count, TREE.reader())
    return proof.consistency_line(PUBLIC, EARLIER, SIGNED, path)


@pytest.mark.parametrize("seq", range(1, len(STREAM) + 1))
def test_every_event_has_a_proof_that_holds(seq: int) -> None:
    verdict = verify_proof(inclusion(seq), public_key=PUBLIC, anchors=[Anchor(SIGNED, PUBLIC)])
    assert (verdict.ok, verdict.last_seq, verdict.checkpoints, verdict.anchors) == (True, seq, 1, 1)


def test_the_growth_between_two_checkpoints_has_a_proof_that_holds() -> None:
    verdict = verify_proof(consistency(), public_key=PUBLIC)
    assert (verdict.ok, verdict.last_seq, verdict.checkpoints) == (True, len(STREAM), 2)


@given(st.data())
def test_a_proof_with_any_byte_changed_does_not_hold(data: st.DataObject) -> None:
    line = bytearray(data.draw(st.sampled_from([inclusion(7), consistency()])))
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    assert not verify_proof(bytes(line), public_key=PUBLIC).ok


def test_another_event_in_a_proof_is_found() -> None:
    fields = json.loads(inclusion(7))
    fields["event"] = json.loads(inclusion(8))["event"] | {"seq": 7}
    forged = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert kinds(verify_proof(forged)) == {("seq 7", "not_included")}


def test_a_proof_that_was_signed_with_a_stolen_key_fails_against_the_anchor() -> None:
    """The forger has the ledger's key, and another history that contains the event."""
    stream = [*STREAM[:5], replace(STREAM[6], seq=6)]
    tree, hashes = merkle.Tree(), chain.links(chain.GENESIS, stream)
    for each in hashes:
        tree.append(each)
    forged = keys.sign(KEY, len(stream), hashes[-1], tree.root(len(stream)))
    honest = signed_over(STREAM[:6])
    line = proof.inclusion_line(PUBLIC, stream[-1], hashes[-2], merkle.inclusion_path(5, 6, tree.reader()), forged)
    assert verify_proof(line).ok  # on its own terms; hence:
    assert ("seq 6", "replaced") in kinds(verify_proof(line, anchors=[Anchor(honest, PUBLIC)]))
    assert ("proof", "not_anchored") in kinds(verify_proof(line, anchors=[Anchor(SIGNED, PUBLIC)]))
    stranger = keys.sign(OTHER, len(stream), hashes[-1], tree.root(len(stream)))
    line = proof.inclusion_line(PUBLIC, stream[-1], hashes[-2], merkle.inclusion_path(5, 6, tree.reader()), stranger)
    assert ("seq 6", "forged") in kinds(verify_proof(line))


def test_hostile_proofs_do_no_harm() -> None:
    for bad in (b"", b"[" * 100_000, b"null\n", b"{}\n", inclusion(3) * 2, b'{"format":"agentos-audit-consistency"}\n'):
        assert kinds(verify_proof(bad)) == {("proof", "malformed")}


@given(st.binary(max_size=200), st.integers(0, 63), st.integers(1, 255))
def test_signatures_verify_without_any_package_just_as_with_one(message: bytes, place: int, flip: int) -> None:
    signature = KEY.sign(message)
    bent = signature[:place] + bytes([signature[place] ^ flip]) + signature[place + 1 :]
    for given_, told in ((signature, True), (bent, False), (signature[:-1], False), (bytes(64), False)):
        assert ed25519.verifies_in_python(PUBLIC, given_, message) is ed25519.verifies(PUBLIC, given_, message) is told
    assert not ed25519.verifies_in_python(bytes([1]) * 31 + b"\xff", signature, message)


def test_a_signature_with_an_unreduced_scalar_is_refused() -> None:
    """RFC 8032 §5.1.7: else a second signature could be made from the first."""
    signature = KEY.sign(b"x")
    order = 2**252 + 27742317777372353535851937790883648493
    raised = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not ed25519.verifies_in_python(PUBLIC, signature[:32] + raised, b"x")


def test_the_chain_covers_the_header_that_the_envelope_writes() -> None:
    """The verifier imports nothing of ours, so it spells the header's name itself."""
    assert chain.TRACEPARENT == envelope.TRACEPARENT


@pytest.fixture
def bare(tmp_path: Path) -> "Bare":
    return Bare(tmp_path)


class Bare:
    """A Python without site packages, in a folder that holds nothing but what an auditor was handed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _write_verifier(folder / "verifier.pyz")

    def run(self, *arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-I", "-S", "verifier.pyz", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    def write(self, name: str, *lines: bytes) -> str:
        (self.folder / name).write_bytes(b"".join(lines))
        return name


def test_one_file_verifies_exports_proofs_and_anchors_with_python_alone(bare: Bare) -> None:
    kept = bare.write("anchors.jsonl", anchor_line(EARLIER, PUBLIC), anchor_line(SIGNED, PUBLIC))
    code, told = bare.run("--anchors", kept, bare.write("export.jsonl", *FILE))
    assert (code, told.splitlines()[0]) == (0, f"whole: {len(STREAM)} events up to {len(STREAM)}, 2 signatures, 2 anchors hold")
    assert bare.run("--anchors", kept, bare.write("proof.json", inclusion(4)))[0] == 0
    assert bare.run(bare.write("growth.json", consistency()))[0] == 0


def test_one_file_finds_what_is_wrong_and_names_the_place(bare: Bare) -> None:
    edited = FILE[5].replace(b'"seq":5', b'"seq":6')
    code, told = bare.run("--json", bare.write("edited.jsonl", *FILE[:5], edited, *FILE[6:]))
    assert (code, json.loads(told)["problems"][0]["place"]) == (1, "line 6")
    resigned = written([*STREAM[:3], *STREAM[4:7]])
    kept = bare.write("anchors.jsonl", anchor_line(EARLIER, PUBLIC))
    code, told = bare.run("--anchors", kept, bare.write("other.jsonl", *resigned))
    assert code == 1
    assert "truncated" in told
    assert bare.run("--json", bare.write("proof.json", inclusion(4).replace(b'"index"', b'"i"')[:-2] + b"\n"))[0] == 1
