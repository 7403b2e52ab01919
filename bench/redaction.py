"""Redaction of texts not seen before: milliseconds per kilobyte, ours beside presidio as shipped.

    python -m bench.redaction [rounds]

Presidio is its AnalyzerEngine with all its default recognizers and a blank spaCy pipeline (no model: that would only be slower); it
finds, while ours finds, replaces and keeps a vault. The same texts, each in its own process, by turns; 5 rounds, at most 50.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from bench._processes import talking
from bench._report import hush, median, shown, table, verdict

MS_PER_KB = 2.0
"""The target of the design's table of numbers."""

_PROSE = (
    "Since the upgrade the nightly export stops after a few rows, and nothing is in the log except a warning about the cache. "
    "My colleague sees the same on her machine with the default settings and an empty profile. The previous version works. "
)
_PERSONAL = (
    "Write to reader{n}@example.org or call +1 415 555 {n:04d}; the card 4111 1111 1111 1111 was charged twice, and the transfer to "
    "DE89 3704 0044 0532 0130 00 from 192.168.{n}.17 is missing. "
)
_LOG = (
    "2026-03-0{n} 12:4{n}:07,31{n} INFO worker-{n} handled batch 88{n}1 of 2000 in 3{n}.4 ms (hash 9f86d081884c7d65{n}a2feaa0c55ad015) "
    "at /srv/app/releases/20260301{n}/export.py:21{n}\n"
)


def texts(number: int) -> dict[str, str]:
    """By kind, what nobody has seen: ``number`` is in every text."""
    n = number % 10
    return {
        "prose with personal data, 0.4 kB": _PROSE + _PERSONAL.format(n=n) + f"Report {number}.",
        "prose with personal data, 8 kB": "".join(_PROSE + _PERSONAL.format(n=each % 10) for each in range(18))
        + f"Report {number}.",
        "log without personal data, 3 kB": "".join(_LOG.format(n=each % 10) for each in range(16)) + f"run {number}",
        "prose without any, 10 kB": _PROSE * 42 + f"Report {number}.",
    }


def ours() -> Callable[[str], object]:
    """Finding, replacing and vault, uncached."""
    from agentos.sealing import PlaceholderVault
    from services.policy.redaction import Redactor

    redactor = Redactor()
    return lambda text: redactor.redact_text(text, PlaceholderVault())


def presidio() -> Callable[[str], object]:
    """Finding alone. Imported here: our own process does without spaCy."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        """A tokenizer, and nothing that was trained."""

        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """Nothing is to be loaded."""

    engine = Blank()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine)
    return lambda text: analyzer.analyze(text, language="en")


def answer(side: Callable[[str], object]) -> None:
    """For each number on standard input, one line: kind → milliseconds per kilobyte."""
    for line in sys.stdin:
        measured: dict[str, float] = {}
        for kind, text in texts(int(line)).items():
            began = time.perf_counter()
            side(text)
            measured[kind] = (time.perf_counter() - began) * 1_000 / (len(text) / 1_000)
        print(json.dumps(measured), flush=True)


async def run(rounds: int) -> str:
    """The table."""
    async with AsyncExitStack() as stack:
        sides = {
            name: await stack.enter_async_context(talking(["-m", "bench.redaction", name])) for name in ("ours", "presidio")
        }
        measured: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for number in range(rounds + 1):
            for name, ask in sides.items():
                told = json.loads(await ask(str(number)))
                if number:
                    # The first round imports, compiles and fills what later rounds find ready.
                    measured[name].append(told)
    return report(measured)


def report(measured: dict[str, list[dict[str, float]]]) -> str:
    """Medians over the rounds."""
    rows: list[list[str]] = []
    for kind in measured["ours"][0]:
        own, peer = (median([told[kind] for told in measured[name]]) for name in ("ours", "presidio"))
        rows.append([kind, shown(own), shown(peer), f"{peer / own:.0f}x", verdict(own, MS_PER_KB, at_most=True)])
    head = ["ms per kB, uncached", "ours", "presidio", "ratio", f"<= {MS_PER_KB:g}"]
    return table("redaction beside presidio as shipped", head, rows)


def main() -> None:
    """See the module."""
    hush()
    match sys.argv[1:]:
        case ["ours"]:
            answer(ours())
        case ["presidio"]:
            answer(presidio())
        case arguments:
            print(asyncio.run(run(min(int(arguments[0]) if arguments else 5, 50))))


if __name__ == "__main__":
    main()
