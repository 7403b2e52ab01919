"""DeepSeek. Its JSON mode promises JSON but takes no schema, so the schema is told to the model in words."""

from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter

__all__ = ["DeepSeekAdapter"]

_DIALECT = Dialect(provider="deepseek", max_tokens_field="max_tokens", schema="json_object", most_stops=16)


class DeepSeekAdapter(OpenAICompatibleAdapter):
    """Context caching is on at DeepSeek's side and shows in the usage."""

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        super().__init__(_DIALECT, api_key=api_key, base_url=base_url or "https://api.deepseek.com")
