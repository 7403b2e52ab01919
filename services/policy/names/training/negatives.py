"""Text without names: Python's own standard library (PSF licence), read from the interpreter that trains.

Only its effect on the weights is shipped, and its ordinary words as hashes.
"""

import random
import re
import sysconfig
from collections import Counter
from functools import cache
from pathlib import Path

from services.policy.names.training.lists import sections

_OWN = sections("standard_library.txt")
_PEOPLE = re.compile(
    rf"(?i:author|copyright|written|contribut|thanks|credit|maintain|courtesy)|@|\bby [A-Z]|[A-Z]\. ?[A-Z]|\b(?:{'|'.join(_OWN['people'])})"
)
"""A line or sentence that may name somebody is left out."""
_WORD = re.compile(r"(?<![\w.(])[a-z]{3,14}(?![\w(.=\[])")


@cache
def _sources() -> tuple[str, ...]:
    library, include = Path(sysconfig.get_paths()["stdlib"]), Path(sysconfig.get_paths()["include"])
    files = [library / f"{name}.py" for name in _OWN["modules"]] + [include / name for name in _OWN["headers"]]
    return tuple(file.read_text("utf-8", "replace") for file in files if file.exists())


@cache
def _lines() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(source.splitlines()) for source in _sources())


def excerpt(rng: random.Random) -> str:
    """Some lines of code, none of which could name a person."""
    lines = rng.choice(_lines())
    begin = rng.randrange(max(1, len(lines) - 10))
    kept = [line for line in lines[begin : begin + rng.randint(3, 30)] if not _PEOPLE.search(line)]
    return "\n".join(kept).strip("\n")


@cache
def _reading() -> str:
    """What people are to read: the sources above without their line breaks and comment signs, and the language reference."""
    library = Path(sysconfig.get_paths()["stdlib"])
    topics = (library / "pydoc_data" / "topics.py").read_text("utf-8", "replace").replace("\\n", " ").replace("' '", " ")
    topics = re.sub(r"'\n\s*'", "", topics).replace("'\n", " ")
    sources = [
        *_sources(),
        *(
            (library / f"{file}.py").read_text("utf-8", "replace")
            for file in _OWN["reading"]
            if (library / f"{file}.py").exists()
        ),
    ]
    return "\n".join(re.sub(r"\n[ \t]*#?[ \t]*", " ", text) for text in (*sources, topics))


@cache
def prose() -> tuple[str, ...]:
    """Sentences out of docstrings, comments and the language reference."""
    sentences = re.findall(r"(?<=[.\"#:!)] )[A-Z][a-z]*(?: \(?[a-z',-]+\)?[,;:]?){3,24}[.!?]", _reading())
    return tuple(dict.fromkeys(sentence for sentence in sentences if not _PEOPLE.search(sentence)))


@cache
def vocabulary() -> tuple[str, ...]:
    """Ordinary English words, from the same."""
    counts = Counter(word for word in _WORD.findall(_reading()) if not _PEOPLE.search(word))
    return tuple(sorted(word for word, count in counts.items() if count >= 4))


__all__ = ["excerpt", "prose", "vocabulary"]
