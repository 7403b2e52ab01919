"""Which recognizers find: a digest of all that decides what is found."""

import hashlib
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parents[1]
_NOT_FOUND_WITH = frozenset({"training", "rego", "__pycache__"})


@lru_cache(maxsize=1)
def revision() -> str:
    """Of the sources and models of this service, as they are on the first call. Reads some megabytes."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.rglob("*")):
        if path.is_file() and _NOT_FOUND_WITH.isdisjoint(path.relative_to(_FOLDER).parts):
            digest.update(str(path.relative_to(_FOLDER)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


__all__ = ["revision"]
