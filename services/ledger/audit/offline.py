"""Verifying an export without broker, database or anything else of ours."""

from collections.abc import Iterable

from services.ledger.audit import chain, export
from services.ledger.audit.anchors import Anchor
from services.ledger.audit.lines import Malformed
from services.ledger.audit.verdict import Verdict
from services.ledger.audit.walk import Walk


def verify_export(
    lines: Iterable[bytes],
    *,
    public_key: bytes | None = None,
    anchors: Iterable[Anchor] = (),
    verdict: Verdict | None = None,
) -> Verdict:
    """Check an export, byte for byte. ``lines`` keep their line ends (a file opened in binary mode does).

    With ``public_key`` (32 raw bytes, from where the ledger's operator published it) an export that was made anew with another key
    fails too, with ``anchors`` also one that was made anew with the ledger's own key, or that ends before the last of them. Without
    either the export is held against the key it names itself, which its reader has to trust.
    """
    verdict = Verdict() if verdict is None else verdict
    numbered = enumerate(lines, 1)
    number, first = next(numbered, (1, b""))
    try:
        header = export.parse_header(first)
    except Malformed as bad:
        verdict.report("line 1", "malformed", str(bad))
        return verdict
    if public_key is not None and header.public_key != public_key:
        verdict.report(
            "line 1", "replaced", f"signed by key {chain.key_id(header.public_key)}, expected {chain.key_id(public_key)}"
        )
    walk = Walk(verdict, header.public_key)
    closed = False
    for number, line in numbered:
        place = f"line {number}"
        if closed:
            verdict.report(place, "malformed", "something follows the closing line")
            break
        try:
            parsed = export.parse_line(line)
        except Malformed as bad:
            verdict.report(place, "malformed", str(bad))
            continue
        if isinstance(parsed, export.Closing):
            closed = True
            _close(verdict, walk, header, first, parsed, place)
        else:
            walk.event(parsed, parsed.hash, place)
    if not closed:
        verdict.report(f"line {number + 1}", "truncated", "the closing line is missing")
    walk.hold(anchors)
    return verdict


def _close(verdict: Verdict, walk: Walk, header: export.Header, first: bytes, closing: export.Closing, place: str) -> None:
    if verdict.events != header.count or verdict.last_seq != header.count:
        verdict.report(place, "truncated", f"the header announces {header.count} events, {verdict.events} are here")
    if walk.chain != header.last_hash:
        verdict.report(place, "changed", "the chain does not end in the hash that the header names")
    if not chain.sealed_by(header.public_key, closing.signature, first):
        for either in ("line 1", place):  # one of the two is not what it was, and the signature cannot say which
            verdict.report(either, "replaced", "the closing signature does not hold for this header")
