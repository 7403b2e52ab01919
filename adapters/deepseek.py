"""DeepSeek (https://api-docs.deepseek.com). Its JSON mode promises JSON but takes no schema, so that is told to the model in words."""

from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter
from agentos.contracts.model import ModelRequest

__all__ = ["DeepSeekAdapter"]

_DIALECT = Dialect(
    provider="deepseek",
    schema="json_object",
    object_schema=True,
    most_stops=16,
    images="none",
    seed=False,
    parallel_choice=False,
    thinking="switch",
    efforts=(("minimal", "low"), ("medium", "high")),
    thinking_back=True,
    continues="prefix",
    embeddings=False,
)


class DeepSeekAdapter(OpenAICompatibleAdapter):
    """Context caching is on at DeepSeek's side and shows in the usage."""

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        # "/v1" is there for the sake of compatibility, and means nothing.
        base_url = (base_url or "https://api.deepseek.com").rstrip("/").removesuffix("/v1")
        super().__init__(_DIALECT, api_key=api_key, base_url=base_url)
        self._beta = "" if base_url.endswith("/beta") else "/beta"

    def chat_path(self, request: ModelRequest) -> str:
        """An answer that was begun, and tools that are held to their schema, are features of the beta."""
        begun = request.messages[-1].role == "assistant"
        beta = self._beta if begun or any(tool.strict for tool in request.tools) else ""
        return beta + super().chat_path(request)
