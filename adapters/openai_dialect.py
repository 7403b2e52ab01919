"""How the servers of OpenAI's format differ: what each takes, and under which name."""

from dataclasses import dataclass
from typing import Literal

from adapters.outgoing import Effort

__all__ = ["Dialect"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a provider departs from the shared format. What it does not take is refused before sending, or noted."""

    provider: str
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    schema: Literal["json_schema", "json_object"] = "json_schema"
    """``json_object``: the provider only promises JSON, so the schema is told to the model in words."""
    object_schema: bool = False
    """A structured answer is always an object."""
    most_stops: int = 4
    images: Literal["none", "data", "any"] = "any"
    """``data``: their bytes alone, no addresses."""
    image_detail: bool = True
    seed: bool = True
    parallel_choice: bool = True
    """Takes ``parallel_tool_calls``."""
    thinking: Literal["effort", "switch", "none"] = "effort"
    """``switch``: on and off by a field of its own (DeepSeek). ``none``: it does not, and does not take that it shall not."""
    efforts: tuple[tuple[Effort, str], ...] = (("minimal", "low"), ("max", "high"))
    """Its words for efforts, where they are not ours. Three of ours are known everywhere."""
    sampling: Literal["always", "unthinking", "never"] = "always"
    """Takes temperature, top_p and penalties; ``unthinking``: only where it is not told to think."""
    thinking_back: bool = False
    """Wants to see again what it thought before a tool call."""
    continues: Literal["no", "prefix"] = "no"
    """``prefix``: goes on with an answer that is marked so, at an address of its own."""
    cache_key: bool = False
    cache_marks: bool = False
    """Its newer models take marks at the ends of prefixes that are worth keeping."""
    private: bool = False
    """Keeps answers unless it is told not to."""
    embeddings: bool = True
