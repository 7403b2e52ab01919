"""What Gemini's models take, by their names (https://ai.google.dev/gemini-api/docs/thinking, …/gemini-3).

A name that is none of Gemini's is taken for a current model.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["Takes", "takes"]

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Takes:
    """What a model takes of a request."""

    thinking: Literal["none", "budget", "level"] = "level"
    budget: tuple[int, int] = (0, 24_576)
    """The least and the most that it can be told to think, where it takes a budget; 0 is not at all."""
    least_budget: int = 1
    """The least above 0."""
    minimal: bool = False
    """Whether there is a level below low."""
    signatures: bool = True
    """Whether it refuses a function call in the history that lacks the signature of the thought behind it."""
    result_images: bool = True
    """Whether the answer of a function can hold images."""
    schema_with_tools: bool = True
    embeds: bool = False


@lru_cache(maxsize=256)
def takes(model: str) -> Takes:
    """By the model's name."""
    name = model.lower().removeprefix("models/")
    if "embedding" in name:
        return Takes(embeds=True)
    found = _VERSION.search(name)
    if found is None:
        return Takes()
    version = (int(found[1]), int(found[2] or 0))
    if version >= (3, 0):
        # Later ones begin at low.
        return Takes(minimal="flash" in name and version < (3, 7))
    pro, lite = "pro" in name, "lite" in name
    return Takes(
        thinking="budget" if version >= (2, 5) else "none",
        budget=(128, 32_768) if pro else (0, 24_576),
        least_budget=512 if lite else 1,
        signatures=False,
        result_images=False,
        schema_with_tools=False,
    )
