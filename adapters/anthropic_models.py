"""What Anthropic's models take, by their names. From the models' migration guides (https://platform.claude.com/docs/en/models).

| from model          | change                                                                                              |
|---------------------|-----------------------------------------------------------------------------------------------------|
| 3.7                 | thinking, with a budget                                                                             |
| Opus 4.1, others 4.5 | temperature or top_p, not both; structured outputs                                                 |
| 4.6                 | adaptive thinking and effort beside the budget; no prefill                                          |
| 4.7                 | adaptive thinking alone; no temperature, top_p, top_k                                               |
| 5                   | thinks unless told not to; Fable and Mythos always                                                  |
| 5.5, Fable 5.1      | Opus always thinks, Sonnet's off is ``between_tools``; all but Haiku let no tool be forced           |

A name that is none of Anthropic's, as gateways and other servers of this format have, is taken for a current model.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["Takes", "takes"]

_NAME = re.compile(r"claude-(?:([a-z]+)-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)(?:-([a-z]+))?")


@dataclass(frozen=True, slots=True)
class Takes:
    """What a model takes of a request."""

    sampling: bool = False
    """temperature, top_p and top_k, which only the older version of the API has."""
    temperature_with_top_p: bool = False
    prefill: bool = False
    thinking: Literal["none", "budget", "either", "adaptive"] = "adaptive"
    thinking_off: Literal["unsaid", "disabled", "between_tools", "never"] = "disabled"
    """How it is told not to think."""
    forced_tools: bool = True
    schema: bool = True


@lru_cache(maxsize=256)
def takes(model: str) -> Takes:
    """By the model's name, also where a gateway put something before it ("us.anthropic.claude-…")."""
    name = model.lower()
    found = _NAME.search(name)
    if found is None:
        return Takes(thinking_off="never", forced_tools=False) if "claude-mythos" in name else Takes()
    line = found[1] or found[4] or ""
    version = (int(found[2]), int(found[3] or 0))
    return Takes(
        sampling=version <= (4, 6),
        temperature_with_top_p=version < (4, 1),
        prefill=version <= (4, 5),
        thinking=_thinking(version),
        thinking_off=_thinking_off(line, version),
        forced_tools=line == "haiku" or version < (5, 1),
        schema=version >= (4, 5) or (line == "opus" and version == (4, 1)),
    )


def _thinking(version: tuple[int, int]) -> Literal["none", "budget", "either", "adaptive"]:
    if version < (3, 7):
        return "none"
    if version <= (4, 5):
        return "budget"
    return "either" if version == (4, 6) else "adaptive"


def _thinking_off(line: str, version: tuple[int, int]) -> Literal["unsaid", "disabled", "between_tools", "never"]:
    if version < (5, 0):
        return "unsaid"
    if line in ("fable", "mythos"):
        return "never"
    if version < (5, 1) or line == "haiku":
        return "disabled"
    return "between_tools" if line == "sonnet" else "never"
