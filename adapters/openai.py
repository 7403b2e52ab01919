"""OpenAI, by chat completions and by Responses."""

from dataclasses import replace
from typing import Literal

from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter
from adapters.openai_models import thinks
from adapters.openai_responses_requests import FEWEST_OUTPUT_TOKENS
from adapters.outgoing import effort_of
from adapters.port import Features, UnsupportedRequest
from agentos.contracts.model import ModelRequest, ThinkingPart, ToolResultPart

__all__ = ["OpenAIAdapter"]

_DIALECT = Dialect(
    provider="openai",
    max_tokens_field="max_completion_tokens",
    object_schema=True,
    efforts=(),
    cache_key=True,
    cache_marks=True,
    private=True,
)


class OpenAIAdapter(OpenAICompatibleAdapter):
    """``base_url`` includes the version, as OPENAI_BASE_URL does.

    ``api`` "auto" takes chat completions, and Responses for what they cannot do: show what was thought, think between tool calls and take
    that thinking back, and images in tool results.
    """

    def __init__(
        self, *, api_key: str, base_url: str | None = None, api: Literal["auto", "chat", "responses"] = "auto"
    ) -> None:
        super().__init__(_DIALECT, api_key=api_key, base_url=base_url or "https://api.openai.com/v1")
        self._api = api

    def features(self, model: str) -> Features:
        """See ``ModelAdapter.features``."""
        return replace(super().features(model), thinking=thinks(model))

    def by_responses(self, request: ModelRequest, model: str) -> bool:
        """See the class. What Responses do not take stays with chat completions."""
        thinking = request.thinking
        asked_to = thinking is not None and (thinking.show or effort_of(thinking) not in (None, "none"))
        if asked_to and not thinks(model):
            raise UnsupportedRequest(f"openai/{model} does not think", provider=self.provider, code="no_thinking")
        if self._api != "auto":
            return self._api == "responses"
        if request.stop or request.max_output_tokens < FEWEST_OUTPUT_TOKENS:
            return False
        if thinking is not None and (thinking.show or (asked_to and request.tools)):
            return True
        parts = [part for message in request.messages for part in message.parts]
        return any(
            (isinstance(part, ThinkingPart) and part.provider == self.provider and bool(part.encrypted) and thinks(model))
            or (isinstance(part, ToolResultPart) and bool(part.images))
            for part in parts
        )
