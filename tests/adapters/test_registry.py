"""A key in the environment switches a provider on, and nothing else does."""

import subprocess
import sys

import pytest

from adapters.ollama import base_url_of_host
from adapters.registry import DEFAULT_MODELS, Keyed, default_model, from_environment


def test_without_keys_there_is_only_the_simulated_provider_and_it_is_the_default() -> None:
    adapters = from_environment({"OPENAI_API_KEY": "  ", "PATH": "/bin"})
    assert list(adapters) == ["simulated"]
    assert default_model(adapters) == "simulated/reader-1"


async def test_each_key_switches_its_provider_on_and_the_default_prefers_the_first_of_the_table() -> None:
    adapters = from_environment({"DEEPSEEK_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "OLLAMA_HOST": "127.0.0.1"})
    assert list(adapters) == ["anthropic", "deepseek", "ollama", "simulated"]
    assert default_model(adapters) == f"anthropic/{DEFAULT_MODELS['anthropic']}"
    assert all(adapter.provider == name for name, keyed in adapters.items() for _, adapter in keyed)
    await _close(adapters)


async def _close(adapters: dict[str, tuple[Keyed, ...]]) -> None:
    for keyed in adapters.values():
        for _, adapter in keyed:
            await adapter.close()


async def test_more_keys_of_a_provider_are_more_adapters_with_labels_of_their_own() -> None:
    adapters = from_environment({"OPENAI_API_KEY": "a", "OPENAI_API_KEY_2": "b", "OPENAI_API_KEY_5": "c"})
    assert [label for label, _ in adapters["openai"]] == ["openai#1", "openai#2", "openai#3"]
    await _close(adapters)


async def test_any_server_of_the_format_is_a_provider_under_the_name_that_it_is_given() -> None:
    adapters = from_environment({"OPENAI_COMPATIBLE_MY_VLLM_BASE_URL": "http://127.0.0.1:8000/v1"})
    assert list(adapters) == ["my-vllm", "simulated"]
    assert adapters["my-vllm"][0][1].provider == "my-vllm"
    await _close(adapters)


def test_a_compatible_server_cannot_take_the_name_of_a_known_provider() -> None:
    with pytest.raises(ValueError, match="choose another name"):
        from_environment({"OPENAI_COMPATIBLE_OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"})


def test_no_sdk_is_imported_for_a_provider_that_is_off() -> None:
    program = (
        "import sys; from adapters.registry import from_environment; from_environment({});"
        "print([m for m in ('openai', 'anthropic', 'google.genai', 'httpx2', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("key", ["sk-ab\ncd", "sk-äb", "sk ab", "“sk-ab”"])
def test_a_key_that_no_header_can_carry_is_refused_at_start_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="OPENAI_API_KEY") as refused:
        from_environment({"OPENAI_API_KEY": key})
    assert "sk" not in str(refused.value)


def test_a_base_url_without_a_scheme_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="OPENAI_BASE_URL"):
        from_environment({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "localhost:8080"})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("box:8080", "http://box:8080/v1"),
        ("https://box", "https://box:443/v1"),
        ("http://box/ollama/", "http://box:80/ollama/v1"),
        ("[::1]:8080", "http://[::1]:8080/v1"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert base_url_of_host(host) == url
