"""The words that a worker knows before its first text: the most frequent of the training's texts, as the model sees them.

python -m services.policy.names.training.frequent
"""

from collections import Counter
from pathlib import Path

from services.policy.names.finder import FREQUENT
from services.policy.names.training.corpus import documents
from services.policy.names.training.negatives import prose
from services.policy.names.words import TOKEN, canonical, key

COUNT = 8_000
_DOCUMENTS = 40_000
_SEED = 20_260


def frequent() -> list[str]:
    """Tokens, the blank before them included, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in (*(document.text for document in documents(_SEED, _DOCUMENTS)), *prose()):
        counts.update(canonical(key(match[0])) for match in TOKEN.finditer(text) if match["gap"] is None)
    return [token for token, _ in counts.most_common(COUNT)]


def main(path: Path = FREQUENT) -> None:
    """See the module."""
    path.write_text("\n".join(sorted(frequent())), "utf-8")


if __name__ == "__main__":
    main()
