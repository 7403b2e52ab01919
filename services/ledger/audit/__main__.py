"""The offline verifier as a program: ``python verifier.pyz [--anchors FILE] [--public-key BASE64] <export or proof>``."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from services.ledger.audit.anchors import read_anchors
from services.ledger.audit.lines import Malformed, unb64
from services.ledger.audit.offline import verify_export
from services.ledger.audit.proof import CONSISTENCY, INCLUSION, verify_proof
from services.ledger.audit.verdict import Verdict


def verify_file(file: Path, *, anchors: Path | None = None, public_key: bytes | None = None) -> Verdict:
    """Check an export or a proof, whichever ``file`` is. Raises OSError when a file cannot be read."""
    verdict = Verdict()
    kept = None
    if anchors is not None:
        with anchors.open("rb") as lines:
            kept = read_anchors(lines, verdict)
    with file.open("rb") as lines:
        first = lines.readline()
        if any(f'"format":"{name}"'.encode() in first for name in (INCLUSION, CONSISTENCY)):
            return verify_proof(first + lines.read(), public_key=public_key, anchors=kept, verdict=verdict)
        lines.seek(0)
        return verify_export(lines, public_key=public_key, anchors=kept or (), verdict=verdict)


def main(arguments: list[str]) -> int:
    """Exit code 0: whole; 1: something is wrong; 2: used wrongly."""
    parser = argparse.ArgumentParser(prog="verifier", description="Verify an export of the audit chain, or a proof, offline.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--anchors", type=Path, help="signed checkpoints that were kept elsewhere, one a line")
    parser.add_argument("--public-key", help="the ledger's public key in base64, from where it was published")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        key = None if asked.public_key is None else unb64(asked.public_key)
        verdict = verify_file(asked.file, anchors=asked.anchors, public_key=key)
    except (OSError, Malformed) as fault:
        parser.error(str(fault))
    if asked.json:
        said = [json.dumps({"ok": verdict.ok, **asdict(verdict)})]
    else:
        held = f"{verdict.events} events up to {verdict.last_seq}, {verdict.checkpoints} signatures, {verdict.anchors} anchors hold"
        said = [f"whole: {held}" if verdict.ok else f"broken: {len(verdict.problems)} problem(s)"]
        said += [f"  {problem.place} · {problem.kind} · {problem.detail}" for problem in verdict.problems]
    sys.stdout.write("\n".join([*said, ""]))
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
