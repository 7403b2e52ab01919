"""Makes ``frequent_words.txt``: the most frequent words of nine languages that are no names, from wordfreq's lists (CC BY-SA 4.0).

uv run --with wordfreq==3.1.1 python -m services.policy.names.training.frequent_words

wordfreq is needed for this alone, and no dependency of the project. Words that are on a list of names are left out, but for the most
frequent of all: of "les", "sur" and "mai" no reader thinks of a person first.
"""

import importlib
import textwrap
from collections.abc import Callable
from typing import cast

from services.policy.names.training.lists import HERE, shipped_lists
from services.policy.names.words import COMMON, COUNTRY, GIVEN, PLACE, SURNAME, folded

COUNTS = {"en": 9_000, "de": 9_000, "fr": 9_000, "it": 9_000, "es": 9_000, "nl": 9_000, "pt": 6_000, "pl": 6_000, "sv": 4_000}
"""Language -> how many of its most frequent words are looked at."""
NAMES_AMONG, GIVEN_AMONG = 300, 120
"""How many of the most frequent words may be a family's name or a place's too, and how many a given name."""
HEAD = "The most frequent words of nine languages that are no names (frequent_words.py, frequent_words.LICENSE.txt).\n"


def frequent_words(most_frequent: Callable[[str, int], list[str]]) -> dict[str, list[str]]:
    """Language -> its words in lower case, in the order of the alphabet."""
    # Which of them are ordinary words too depends on what is made here, which are names does not.
    names = {word: bits & ~COMMON for word, bits in shipped_lists((), whole=True).items()}
    found: dict[str, list[str]] = {}
    for language, count in COUNTS.items():
        kept: set[str] = set()
        for rank, word in enumerate(most_frequent(language, count)):
            bits = names.get(folded(word), 0)
            least = GIVEN_AMONG if bits & GIVEN else NAMES_AMONG if bits & (SURNAME | PLACE | COUNTRY) else count
            if rank < least and word.isalpha() and len(word) > 1:
                kept.add(word)
        found[language] = sorted(kept)
    return found


def main() -> None:
    """See the module."""
    top = cast("Callable[[str, int], list[str]]", importlib.import_module("wordfreq").top_n_list)
    blocks = (
        f"[{language}]\n{textwrap.fill(', '.join(words), 160, break_long_words=False)}\n"
        for language, words in frequent_words(top).items()
    )
    (HERE / "frequent_words.txt").write_text(HEAD + "".join(blocks), "utf-8")


if __name__ == "__main__":
    main()
