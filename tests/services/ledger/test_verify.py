"""The audit chain and its proofs: nothing that was recorded can change, go or move unnoticed."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.events.governance import AuditCheckpointed
from agentos.private_files import UnsafeSecret
from agentos.signing_key import load_or_create
from services.ledger import keys
from services.ledger.audit import chain, export, merkle
from services.ledger.audit.anchors import Anchor
from services.ledger.audit.chain import Checkpoint
from services.ledger.audit.offline import verify_export
from services.ledger.audit.verdict import Verdict
from services.ledger.audit.walk import checkpoint_of
from services.ledger.domain.facts import Incoming
from services.ledger.verify import LiveCheck
from tests.services.ledger import history

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLIC = keys.public_bytes(KEY)


def signed_over(events: Sequence[Incoming], key: Ed25519PrivateKey = KEY) -> Checkpoint:
    hashes = chain.links(chain.GENESIS, events)
    tree = merkle.Tree()
    for each in hashes:
        tree.append(each)
    return keys.sign(key, len(events), hashes[-1], tree.root(len(hashes)))


def with_checkpoint(events: list[Incoming], key: Ed25519PrivateKey = KEY) -> list[Incoming]:
    """The events, and the ledger's checkpoint over them."""
    signed = signed_over(events, key)
    data = AuditCheckpointed.model_validate(asdict(signed))
    seq = len(events) + 1
    return [*events, history.recorded(seq, ("audit.checkpointed", (str(signed.seq),), data, "audit"), "system")]


STREAM = with_checkpoint([*with_checkpoint(history.stream(history.life("t1"))), *history.stream(history.governance(), 21)])


def written(events: Sequence[Incoming], key: Ed25519PrivateKey = KEY) -> list[bytes]:
    """An honest export."""
    hashes = chain.links(chain.GENESIS, events)
    last = hashes[-1] if hashes else chain.GENESIS
    header = export.header_line(export.Header(keys.public_bytes(key), len(events), last))
    lines = [export.event_line(event, hash_) for event, hash_ in zip(events, hashes, strict=True)]
    return [header, *lines, export.closing_line(keys.seal(key, header))]


FILE = written(STREAM)


def kinds(verdict: Verdict) -> set[tuple[str, str]]:
    return {(problem.place, problem.kind) for problem in verdict.problems}


def test_an_untouched_export_holds() -> None:
    verdict = verify_export(FILE, public_key=PUBLIC)
    assert (verdict.ok, verdict.events, verdict.last_seq, verdict.checkpoints) == (True, len(STREAM), len(STREAM), 2)
    assert verify_export(written([])).ok


@given(st.data())
def test_any_changed_byte_of_an_export_is_found_and_placed(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(FILE) - 1))
    offset = data.draw(st.integers(0, len(FILE[number]) - 1))
    flip = data.draw(st.integers(1, 255))
    line = bytearray(FILE[number])
    line[offset] ^= flip
    # A file is read by lines, so a new line end makes two of one, and a lost one makes one of two.
    verdict = verify_export(as_file(b"".join([*FILE[:number], bytes(line), *FILE[number + 1 :]])))
    assert not verdict.ok
    if offset < len(line) - 1 and 10 not in line[:-1]:
        assert any(problem.place == f"line {number + 1}" for problem in verdict.problems)


def as_file(data: bytes) -> list[bytes]:
    """Lines as a file opened in binary mode gives them."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@pytest.mark.parametrize("number", range(len(FILE)))
def test_a_removed_line_is_found(number: int) -> None:
    verdict = verify_export([*FILE[:number], *FILE[number + 1 :]])
    assert not verdict.ok
    if 0 < number < len(FILE) - 2:
        assert (f"line {number + 1}", "gap") in kinds(verdict)


@given(st.permutations(range(len(FILE))).filter(lambda order: order != list(range(len(FILE)))))
def test_any_other_order_of_the_lines_is_found(order: list[int]) -> None:
    verdict = verify_export([FILE[number] for number in order])
    assert not verdict.ok
    assert all(problem.place.startswith("line ") for problem in verdict.problems)


@given(st.integers(0, len(FILE) - 1), st.integers(0, len(FILE) - 1))
def test_a_swap_of_two_lines_is_found_at_the_first_of_them(one: int, two: int) -> None:
    if one == two:
        return
    lines = list(FILE)
    lines[one], lines[two] = lines[two], lines[one]
    verdict = verify_export(lines)
    assert verdict.problems[0].place == f"line {min(one, two) + 1}"


@given(st.integers(0, len(FILE)), st.binary(max_size=40))
def test_an_inserted_line_is_found(number: int, text: bytes) -> None:
    assert not verify_export([*FILE[:number], text + b"\n", *FILE[number:]]).ok
    assert not verify_export([*FILE[:number], FILE[min(number, len(FILE) - 1)], *FILE[number:]]).ok


@given(st.integers(0, len(FILE) - 1))
def test_a_shortened_export_is_found(length: int) -> None:
    verdict = verify_export(FILE[:length])
    assert (f"line {max(1, length) + (length > 0)}", "truncated" if length else "malformed") in kinds(verdict)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seq":3', b'"seq": 3'),
        (b'"seq":3', b'"seq":3.0'),
        (b'"seq":3', b'"seq":3,"seq":3'),
        (b'"subject"', b'"s\\u0075bject"'),
        (b'"hash":"', b'"extra":1,"hash":"'),
        (b"}\n", b"}\r\n"),
        (b"}\n", b"} \n"),
    ],
)
def test_another_spelling_of_the_same_line_is_no_export(old: bytes, new: bytes) -> None:
    assert old in FILE[3]
    verdict = verify_export([*FILE[:3], FILE[3].replace(old, new, 1), *FILE[4:]])
    assert ("line 4", "malformed") in kinds(verdict)


def test_an_event_changed_with_all_hashes_after_it_made_anew_breaks_the_signed_checkpoints() -> None:
    forged = [replace(event, body=event.body.replace(b"triage", b"treats")) for event in STREAM]
    last = chain.links(chain.GENESIS, forged)[-1]
    header = export.header_line(export.Header(PUBLIC, len(forged), last))
    lines = [export.event_line(e, h) for e, h in zip(forged, chain.links(chain.GENESIS, forged), strict=True)]
    found = kinds(verify_export([header, *lines, FILE[-1]]))
    assert {("line 21", "replaced"), ("line 26", "replaced"), (f"line {len(FILE)}", "replaced")} <= found


def test_an_export_made_anew_with_another_key_fails_against_the_known_key() -> None:
    events = with_checkpoint(history.stream(history.life("forged")), OTHER)
    assert verify_export(written(events, OTHER)).ok  # on its own terms; hence:
    assert ("line 1", "replaced") in kinds(verify_export(written(events, OTHER), public_key=PUBLIC))


def test_hostile_lines_do_no_harm() -> None:
    """Numbers of any size, deep nesting, wrong types: a problem each, never a crash."""
    header = json.loads(FILE[0])
    for bad in (
        b"[" * 100_000,
        b'{"seq":' + b"9" * 5_000 + b"}",
        b"null",
        b'"text"',
        b"\xff\xfe",
        json.dumps(header | {"public_key": base64.b64encode(b"short").decode()}).encode(),
        export.event_line(replace(STREAM[0], seq=10**18), bytes(32))[:-1],
        export.event_line(replace(STREAM[0], seq=-1), bytes(32))[:-1],
    ):
        assert not verify_export([bad + b"\n"]).ok
        assert not verify_export([FILE[0], bad + b"\n", *FILE[1:]]).ok


def test_headers_that_are_no_text_still_export_and_verify() -> None:
    odd = replace(STREAM[0], headers={**STREAM[0].headers, "Agentos-Extra": "\udcff\0"})
    assert verify_export(written([odd])).ok


def test_the_chain_covers_what_is_ours_and_tells_fields_apart() -> None:
    event = STREAM[0]
    base = chain.link(chain.GENESIS, event)
    assert chain.link(chain.GENESIS, replace(event, headers={**event.headers, "Nats-Time-Stamp": "now"})) == base
    changes = [
        replace(event, seq=2),
        replace(event, subject=event.subject + "x"),
        replace(event, body=event.body + b" "),
        replace(event, headers={**event.headers, "traceparent": "00-1"}),
        replace(event, headers={**event.headers, "Agentos-Time": ""}),
    ]
    assert len({base, chain.link(bytes([1]) * 32, event), *(chain.link(chain.GENESIS, each) for each in changes)}) == 7


class Record:
    """What the database would hold."""

    def __init__(self, events: Sequence[Incoming]) -> None:
        self.chain = {e.seq: h for e, h in zip(events, chain.links(chain.GENESIS, events), strict=True)}
        self.signed: dict[int, Checkpoint] = {}
        for event in events:
            if ".audit." in event.subject:
                self.signed[event.seq] = checkpoint_of(event.body)

    def position(self) -> int:
        return max(self.chain, default=0)

    def hashes(self, first: int, last: int) -> dict[int, bytes]:
        return {seq: self.chain[seq] for seq in self.chain if first <= seq <= last}

    def checkpoints(self) -> dict[int, Checkpoint]:
        return self.signed


class Invented(Record):
    """A hash that the ledger never wrote stands beyond its position."""

    def position(self) -> int:
        return 10

    def hashes(self, first: int, last: int) -> dict[int, bytes]:
        return super().hashes(first, last) | ({50: bytes(32)} if first <= 50 <= last else {})


def live(stream: Sequence[Incoming], record: Record, *anchors: Anchor, size: int = 5) -> Verdict:
    check = LiveCheck(record, PUBLIC)
    for start in range(0, len(stream), size):
        check.events(stream[start : start + size])
    return check.finish(anchors)


def test_an_untouched_stream_holds() -> None:
    verdict = live(STREAM, Record(STREAM))
    assert (verdict.ok, verdict.events, verdict.checkpoints) == (True, len(STREAM), 2)
    assert live(STREAM, Record(STREAM[:10])).ok, "what the ledger has not folded yet is no problem"
    assert live([], Record([])).ok


@given(st.integers(0, len(STREAM) - 1), st.sampled_from(["body", "subject", "header"]))
def test_an_edited_event_is_found_at_its_sequence(index: int, what: str) -> None:
    event = STREAM[index]
    if what == "header":
        edited = replace(event, headers={**event.headers, "Agentos-Time": "2026-01-01T00:00:00+00:00"})
    else:
        edited = replace(event, body=event.body + b" ") if what == "body" else replace(event, subject=event.subject + "x")
    verdict = live([*STREAM[:index], edited, *STREAM[index + 1 :]], Record(STREAM))
    assert (f"seq {event.seq}", "changed") in kinds(verdict)


@given(st.integers(0, len(STREAM) - 1))
def test_a_removed_event_is_found(index: int) -> None:
    verdict = live([*STREAM[:index], *STREAM[index + 1 :]], Record(STREAM))
    assert any(p.place in (f"seq {index + 1}", f"seq {index + 2}") and p.kind in ("gap", "truncated") for p in verdict.problems)


def test_two_events_in_each_others_place_are_found() -> None:
    one, two = STREAM[4], STREAM[5]
    swapped = [*STREAM[:4], replace(two, seq=one.seq), replace(one, seq=two.seq), *STREAM[6:]]
    assert {("seq 5", "changed"), ("seq 6", "changed")} <= kinds(live(swapped, Record(STREAM)))


def test_a_shorter_stream_is_found_by_the_database_and_by_the_checkpoints_kept_elsewhere() -> None:
    assert ("seq 11", "truncated") in kinds(live(STREAM[:10], Record(STREAM)))
    anchor = Anchor(Record(STREAM).signed[25], PUBLIC)
    assert (f"seq 11 to {anchor.checkpoint.seq}", "truncated") in kinds(live(STREAM[:10], Record(STREAM[:10]), anchor))


@given(st.integers(1, len(STREAM)), st.integers(0, 255))
def test_any_changed_hash_of_the_database_is_found(seq: int, flip: int) -> None:
    record = Record(STREAM)
    record.chain[seq] = bytes([record.chain[seq][0] ^ (flip or 1)]) + record.chain[seq][1:]
    assert (f"seq {seq}", "changed") in kinds(live(STREAM, record))


def test_a_hash_or_a_checkpoint_missing_from_the_database_is_found() -> None:
    record = Record(STREAM)
    del record.chain[7], record.signed[20]
    assert {("seq 7", "missing"), ("seq 20", "missing")} <= kinds(live(STREAM, record))


def test_a_checkpoint_changed_or_invented_in_the_database_is_found() -> None:
    record = Record(STREAM)
    record.signed[20] = replace(record.signed[20], count=18)
    record.signed[3] = record.signed[20]
    record.signed[99] = record.signed[20]
    assert {("seq 20", "changed"), ("seq 3", "forged"), ("seq 99", "forged")} <= kinds(live(STREAM, record))
    assert kinds(live(STREAM[:10], Invented(STREAM[:10]))) == {("seq 50", "forged")}


def test_a_chain_replaced_in_stream_and_database_breaks_the_signatures() -> None:
    """Whoever rewrites history and every record of it cannot sign it."""
    forged = [replace(event, body=event.body.replace(b"github", b"gitlab")) for event in STREAM]
    assert {("seq 20", "replaced"), ("seq 25", "replaced")} <= kinds(live(forged, Record(forged)))
    foreign = with_checkpoint(history.stream(history.life("t1")), OTHER)
    assert ("seq 20", "replaced") in kinds(live(foreign, Record(foreign)))
    anchor = Anchor(Record(STREAM).signed[20], PUBLIC)
    unsigned = [event for event in forged if ".audit." not in event.subject]
    unsigned = [replace(event, seq=seq) for seq, event in enumerate(unsigned, 1)]
    assert ("seq 1 to 19", "replaced") in kinds(live(unsigned, Record(unsigned), anchor))


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "audit.key"
    made = load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = load_or_create(path)
    assert keys.public_bytes(again) == keys.public_bytes(made)
    path.chmod(0o644)
    with pytest.raises(UnsafeSecret, match="chmod 600"):
        load_or_create(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(UnsafeSecret, match="PEM"):
        load_or_create(path)
