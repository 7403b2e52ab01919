"""OpenAI, by chat completions."""

from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter

__all__ = ["OpenAIAdapter"]

_DIALECT = Dialect(provider="openai", max_tokens_field="max_completion_tokens", schema="json_schema", most_stops=4)


class OpenAIAdapter(OpenAICompatibleAdapter):
    """``base_url`` includes the version, as OPENAI_BASE_URL does."""

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        super().__init__(_DIALECT, api_key=api_key, base_url=base_url or "https://api.openai.com/v1")
