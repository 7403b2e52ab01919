"""A worker that does what the text tells it: stands in for recognizers that a text brings down. Run with a folder to leave traces in."""

import json
import os
import sys
import time
from pathlib import Path

from services.policy.analysis_frames import HEAD, answer, asked, framed, length_of
from services.policy.findings import Finding
from services.policy.redacting.finding import Analysis

traces = Path(sys.argv[1])
with (traces / "starts").open("a") as log:
    log.write(f"{os.getpid()}\n")
(traces / "environment").write_text("\n".join(os.environ))

questions, answers = sys.stdin.buffer, sys.stdout.buffer


def say(payload: bytes) -> None:
    answers.write(framed(payload))
    answers.flush()


say(json.dumps({"revision": "fake"}).encode())
while len(head := questions.read(HEAD.size)) == HEAD.size:
    pairs = asked(questions.read(length_of(head)))
    said = [Analysis((Finding(0, 1, "PERSON", "PERSON", 1.0),)) for _ in pairs]
    told = pairs[0][1]
    if told.startswith("die once") and not (traces / "died").exists():
        (traces / "died").touch()
        os._exit(1)
    if told == "die always":
        os._exit(1)
    if told == "hang for ever":
        time.sleep(3600)
    if told == "say nonsense":
        say(b"nonsense")
    elif told == "say too little":
        say(answer([]))
    elif told == "say too much":
        answers.write(b"\xff" * 100)
        answers.flush()
    elif told == "raise an error":
        say(b'{"error": "RecursionError"}')
    else:
        say(answer(said))
