"""A worker of ``AnalysisPool``: reads texts on standard input, writes what is in them on standard output. Ends when its input does.

It keeps nothing, logs nothing, and leaves no core dump: what it reads is personal data.
"""

import gc
import json
import os
import resource
import sys
from typing import BinaryIO

from services.policy.analysis_frames import HEAD, answer, asked, framed, length_of
from services.policy.detection import Detector
from services.policy.redacting.finding import Finder, analyse
from services.policy.redacting.revision import revision


def serve(finder: Finder, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions. What cannot be analysed is answered with the kind of the error, without its words."""
    while len(head := questions.read(HEAD.size)) == HEAD.size:
        payload = questions.read(length_of(head))
        try:
            said = answer([analyse(finder, hint, text) for hint, text in asked(payload)])
        except Exception as error:  # noqa: BLE001  # whatever it is, the text was not analysed: say so
            said = json.dumps({"error": type(error).__name__}).encode()
        answers.write(framed(said))
        answers.flush()


def main() -> None:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever prints must not end up among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    detector = Detector()
    answers.write(framed(json.dumps({"revision": revision()}).encode()))
    answers.flush()
    # The recognizers stay for ever: leave them out of every collection.
    gc.collect()
    gc.freeze()
    serve(detector, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
