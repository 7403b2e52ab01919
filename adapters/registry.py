"""Which providers are switched on, read from the environment: a key that is set switches its provider on.

SDKs are imported only for providers that are on: together they cost seconds of start-up and 150 MB of memory.
"""

import re
from collections.abc import Callable, Mapping

from adapters.port import ModelAdapter
from adapters.simulated import DEFAULT_MODEL, SimulatedAdapter

__all__ = ["DEFAULT_MODELS", "Keyed", "default_model", "from_environment"]

_COMPATIBLE = re.compile(r"OPENAI_COMPATIBLE_([A-Z][A-Z0-9_]{0,30})_BASE_URL")

DEFAULT_MODELS: dict[str, str] = {
    "openai": "gpt-6-luna",
    "anthropic": "claude-haiku-5-5",
    "gemini": "gemini-3.5-flash-lite",
    "deepseek": "deepseek-v4-flash",
    "ollama": "qwen3",
    "simulated": DEFAULT_MODEL,
}
"""What "default" means at each provider: its cheap current model. The order is the order of preference."""


Keyed = tuple[str, ModelAdapter]
"""A key's label, such as "openai#2", and the adapter that uses it."""


def from_environment(environ: Mapping[str, str]) -> dict[str, tuple[Keyed, ...]]:
    """Provider name to its adapters, one for each key, in the order of ``DEFAULT_MODELS``; ``simulated`` is always there. Connects to nothing.

    Reads OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, DEEPSEEK_API_KEY, each with more keys in …_API_KEY_2 to …_API_KEY_9 and an
    optional …_BASE_URL; OLLAMA_HOST or OLLAMA_BASE_URL; and for any other server of OpenAI's format OPENAI_COMPATIBLE_<NAME>_BASE_URL with
    an optional OPENAI_COMPATIBLE_<NAME>_API_KEY: provider "<name>" in lower case. Raises ``ValueError`` for what cannot be a key, a URL
    or a name, without showing the key.
    """
    adapters: dict[str, tuple[Keyed, ...]] = {}
    for name, build in _KEYED.items():
        url = _url(environ, f"{name.upper()}_BASE_URL")
        keys = [key for variable in _variables(f"{name.upper()}_API_KEY") if (key := _key(environ, variable))]
        if keys:
            adapters[name] = tuple((f"{name}#{number}", build(key, url)) for number, key in enumerate(keys, 1))
    base_url = _url(environ, "OLLAMA_BASE_URL")
    host = environ.get("OLLAMA_HOST", "").strip()
    if base_url or host:
        adapters["ollama"] = (("ollama#1", _ollama(base_url, host)),)
    for variable in sorted(environ):
        if (found := _COMPATIBLE.fullmatch(variable)) and (url := _url(environ, variable)):
            name = found[1].lower().replace("_", "-")
            if name in DEFAULT_MODELS:
                raise ValueError(f"{variable}: {name} is a provider of its own; choose another name")
            key = _key(environ, f"OPENAI_COMPATIBLE_{found[1]}_API_KEY")
            adapters[name] = ((f"{name}#1", _compatible(name, key, url)),)
    adapters["simulated"] = (("simulated#1", SimulatedAdapter()),)
    return adapters


def default_model(adapters: Mapping[str, tuple[Keyed, ...]]) -> str:
    """What the alias "default" stands for, as "provider/model": the most preferred provider that is on."""
    provider = next((name for name in DEFAULT_MODELS if name in adapters), "simulated")
    return f"{provider}/{DEFAULT_MODELS[provider]}"


def _variables(name: str) -> list[str]:
    return [name, *(f"{name}_{number}" for number in range(2, 10))]


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


def _compatible(name: str, api_key: str, base_url: str) -> ModelAdapter:
    from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter

    return OpenAICompatibleAdapter(Dialect(provider=name), api_key=api_key or "none", base_url=base_url)


def _ollama(base_url: str | None, host: str) -> ModelAdapter:
    from adapters.ollama import OllamaAdapter, base_url_of_host

    return OllamaAdapter(base_url=base_url or base_url_of_host(host))


_KEYED: dict[str, Callable[[str, str | None], ModelAdapter]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "deepseek": _deepseek,
}
