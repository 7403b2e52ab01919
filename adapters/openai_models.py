"""What OpenAI's models take, by their names (https://developers.openai.com/api/docs/guides/reasoning, and the models' own pages).

| from model      | change                                                                                                  |
|-----------------|---------------------------------------------------------------------------------------------------------|
| o1              | thinks, with an effort from low to high; no temperature, top_p or penalties                             |
| o3, o4          | no stop sequences                                                                                       |
| gpt-5           | the effort minimal                                                                                      |
| gpt-5.1         | none in the place of minimal; temperature and top_p where it does not think                             |
| gpt-5.2         | xhigh                                                                                                   |
| gpt-5.6         | max; marks at the ends of prefixes that are worth keeping                                               |

Codex cannot be told not to think, Pro not to think little. A name that is none of OpenAI's, as gateways have, is taken to know all of it.
"""

import re
from dataclasses import replace
from functools import lru_cache

from adapters.openai_dialect import Dialect
from adapters.outgoing import Effort

__all__ = ["for_model", "thinks"]

_DO_NOT_THINK = re.compile(r"(?:ft:)?(?:gpt-3|gpt-4|gpt-5-chat|chatgpt-4o|davinci|babbage)")
_FIRST_THINKERS = re.compile(r"(?:ft:)?o(\d)(?![a-z\d])")
_VERSION = re.compile(r"(?:ft:)?gpt-(\d{1,3})(?:\.(\d{1,3}))?(?![\d.])")
_STEPS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "max")
_WORDS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def thinks(model: str) -> bool:
    """Whatever is not known to, does."""
    return not _DO_NOT_THINK.match(model)


@lru_cache(maxsize=512)
def for_model(dialect: Dialect, model: str) -> Dialect:
    """The dialect as far as this model speaks it."""
    if not dialect.private:
        return dialect
    if not thinks(model):
        return replace(dialect, thinking="none", cache_marks=False)
    if first := _FIRST_THINKERS.match(model):
        most_stops = dialect.most_stops if first[1] == "1" else 0
        efforts = _nearest(("low", "medium", "high"))
        return replace(dialect, efforts=efforts, sampling="never", most_stops=most_stops, cache_marks=False)
    found = _VERSION.match(model)
    if found is None:
        return replace(dialect, cache_marks=False)
    version = (int(found[1]), int(found[2] or 0))
    first_of_five = version == (5, 0)
    return replace(
        dialect,
        efforts=_nearest(_efforts(model, version)),
        sampling="never" if first_of_five else "unthinking",
        most_stops=0 if first_of_five else dialect.most_stops,
        cache_marks=version >= (5, 6),
    )


def _efforts(model: str, version: tuple[int, int]) -> tuple[str, ...]:
    highest = (*(("xhigh",) if version >= (5, 2) or "codex-max" in model else ()), *(("max",) if version >= (5, 6) else ()))
    if "-pro" in model:
        return ("high",) if version < (5, 2) else ("medium", "high", *highest)
    least = () if "codex" in model else ("minimal",) if version == (5, 0) else ("none",)
    return (*least, "low", "medium", "high", *highest)


def _nearest(known: tuple[str, ...]) -> tuple[tuple[Effort, str], ...]:
    """For each effort the least of these words that is no less, else the most of them."""
    return tuple(
        (step, next((word for word in known if _WORDS.index(word) >= _WORDS.index(step)), known[-1])) for step in _STEPS
    )
