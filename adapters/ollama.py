"""ollama: models on one's own machine, through its OpenAI-compatible endpoint. It asks for no key."""

from urllib.parse import urlsplit

from adapters.openai_compatible import Dialect, OpenAICompatibleAdapter

__all__ = ["OllamaAdapter", "base_url_of_host"]

_DIALECT = Dialect(provider="ollama", most_stops=16, images="data", image_detail=False, parallel_choice=False)
_DEFAULT_PORT = 11434


class OllamaAdapter(OpenAICompatibleAdapter):
    """``api_key`` matters only to a proxy in front of ollama."""

    def __init__(self, *, base_url: str, api_key: str = "ollama") -> None:
        super().__init__(_DIALECT, api_key=api_key, base_url=base_url)


def base_url_of_host(host: str) -> str:
    """OLLAMA_HOST as ollama reads it ("127.0.0.1", "box:8080", "https://box") as a base URL.

    0.0.0.0 is where a server listens, not where a client can connect: it becomes 127.0.0.1.
    """
    parts = urlsplit(host if "://" in host else f"http://{host}")
    name = parts.hostname or "127.0.0.1"
    name = "127.0.0.1" if name == "0.0.0.0" else name  # noqa: S104 -- compared with, not bound to
    name = f"[{name}]" if ":" in name else name
    port = parts.port or (_DEFAULT_PORT if "://" not in host else {"http": 80, "https": 443}.get(parts.scheme, _DEFAULT_PORT))
    return f"{parts.scheme}://{name}:{port}{parts.path.rstrip('/')}/v1"
