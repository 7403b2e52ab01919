"""Which providers are switched on, read from the environment: a key that is set switches its provider on.

SDKs are imported only for providers that are on: together they cost seconds of start-up and 150 MB of memory.
"""

from collections.abc import Callable, Mapping

from adapters.port import ModelAdapter
from adapters.simulated import DEFAULT_MODEL, SimulatedAdapter

__all__ = ["DEFAULT_MODELS", "default_model", "from_environment"]

DEFAULT_MODELS: dict[str, str] = {
    "openai": "gpt-6-luna",
    "anthropic": "claude-haiku-5-5",
    "gemini": "gemini-3.5-flash-lite",
    "deepseek": "deepseek-v4-flash",
    "ollama": "qwen3",
    "simulated": DEFAULT_MODEL,
}
"""What "default" means at each provider: its cheap current model. The order is the order of preference."""


def from_environment(environ: Mapping[str, str]) -> dict[str, ModelAdapter]:
    """Provider name to adapter, in the order of ``DEFAULT_MODELS``; ``simulated`` is always there. Connects to nothing.

    Reads OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, DEEPSEEK_API_KEY, each with an optional …_BASE_URL, and
    OLLAMA_HOST or OLLAMA_BASE_URL. Raises ``ValueError`` for a key or URL that cannot be one, without showing the key.
    """
    adapters: dict[str, ModelAdapter] = {}
    for name, build in _KEYED.items():
        key = _key(environ, f"{name.upper()}_API_KEY")
        if key:
            adapters[name] = build(key, _url(environ, f"{name.upper()}_BASE_URL"))
    base_url = _url(environ, "OLLAMA_BASE_URL")
    host = environ.get("OLLAMA_HOST", "").strip()
    if base_url or host:
        adapters["ollama"] = _ollama(base_url, host)
    adapters["simulated"] = SimulatedAdapter()
    return adapters


def default_model(adapters: Mapping[str, ModelAdapter]) -> str:
    """What the alias "default" stands for, as "provider/model": the most preferred provider that is on."""
    provider = next((name for name in DEFAULT_MODELS if name in adapters), "simulated")
    return f"{provider}/{DEFAULT_MODELS[provider]}"


def _key(environ: Mapping[str, str], name: str) -> str:
    key = environ.get(name, "").strip()
    if not all("!" <= c <= "~" for c in key):
        raise ValueError(
            f"{name} holds a character that no key has, such as a space, a quote mark from a document or a line break"
        )
    return key


def _url(environ: Mapping[str, str], name: str) -> str | None:
    url = environ.get(name, "").strip()
    if url and not url.startswith(("http://", "https://")):
        raise ValueError(f"{name} must begin with http:// or https://")
    return url or None


def _openai(api_key: str, base_url: str | None) -> ModelAdapter:
    from adapters.openai import OpenAIAdapter

    return OpenAIAdapter(api_key=api_key, base_url=base_url)


def _anthropic(api_key: str, base_url: str | None) -> ModelAdapter:
    from adapters.anthropic import AnthropicAdapter

    return AnthropicAdapter(api_key=api_key, base_url=base_url)


def _gemini(api_key: str, base_url: str | None) -> ModelAdapter:
    from adapters.gemini import GeminiAdapter

    return GeminiAdapter(api_key=api_key, base_url=base_url)


def _deepseek(api_key: str, base_url: str | None) -> ModelAdapter:
    from adapters.deepseek import DeepSeekAdapter

    return DeepSeekAdapter(api_key=api_key, base_url=base_url)


def _ollama(base_url: str | None, host: str) -> ModelAdapter:
    from adapters.ollama import OllamaAdapter, base_url_of_host

    return OllamaAdapter(base_url=base_url or base_url_of_host(host))


_KEYED: dict[str, Callable[[str, str | None], ModelAdapter]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "deepseek": _deepseek,
}
