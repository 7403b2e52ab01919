"""A provider's SDK in a pack's hands: installed or not, with a stolen key or not, it calls nobody."""

from pathlib import Path

import pytest

from agentos.packhost.process import EndedFrame
from tests.bypass.site import run, site_in


@pytest.mark.parametrize("do", ["sdk_openai", "sdk_anthropic", "sdk_google", "plain_http"])
async def test_an_sdk_that_is_installed_makes_no_call_and_the_try_is_told(do: str, tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        came = await run({**site.x, "do": do})
    assert isinstance(came.ended, EndedFrame)
    assert came.ended.result["refused"], came.ended
    assert site.connections == []
    assert ("network", "socket inet") in {(tried.what, tried.detail) for tried in came.tried}


async def test_an_sdk_as_it_comes_does_not_even_find_the_certificates_that_it_would_trust(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        came = await run({**site.x, "do": "sdk_as_it_comes"})
    assert isinstance(came.ended, EndedFrame)
    assert came.ended.result["refused"]
    assert site.connections == []
    assert came.tried


@pytest.mark.parametrize("do", ["adapter", "services_code"])
async def test_the_control_planes_own_code_is_not_to_be_had(do: str, tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        came = await run({**site.x, "do": do})
    assert isinstance(came.ended, EndedFrame)
    assert came.ended.result == {"refused": "PermissionError"}
    assert came.tried


async def test_an_sdk_that_a_pack_brings_along_makes_no_call_either(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "brings"
    pack.mkdir(parents=True)
    (pack / "vendored.py").write_text(
        "import http.client\n"
        "def ask(port):\n"
        "    http.client.HTTPConnection('127.0.0.1', port, timeout=2).request('POST', '/v1/chat/completions')\n"
    )
    (pack / "code.py").write_text(
        "from .vendored import ask\n\n"
        "async def main(ctx, x):\n"
        "    try:\n        ask(x['port'])\n    except OSError as refused:\n        return {'refused': type(refused).__name__}\n"
    )
    manifest = (Path(__file__).parent / "packs" / "hostile" / "pack.yaml").read_text()
    (pack / "pack.yaml").write_text(manifest.partition("tools:")[0])
    async with site_in(tmp_path / "site") as site:
        came = await run(site.x, pack)
    assert isinstance(came.ended, EndedFrame), came.ended
    assert came.ended.result == {"refused": "PermissionError"}, came.ended
    assert site.connections == []
    assert [(tried.what, tried.detail) for tried in came.tried] == [("network", "socket inet")]


async def test_environment_and_descriptors_hold_nothing_that_leads_out(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        environment = await run({**site.x, "do": "environment"})
        descriptors = await run({**site.x, "do": "descriptors"})
    assert isinstance(environment.ended, EndedFrame)
    assert isinstance(descriptors.ended, EndedFrame)
    assert set(environment.ended.result["found"]) <= {"PYTHONHASHSEED", "LANG", "HOME", "TMPDIR", "LC_CTYPE"}
    found = descriptors.ended.result["found"]
    # Nothing, two pipes for what it prints; its pipe to the service, the clock's page, and what its event loop made for itself.
    assert (found["0"], found["1"], found["2"]) == ("device", "pipe", "pipe")
    kinds = sorted(kind for fd, kind in found.items() if int(fd) > 2)
    assert set(kinds) <= {"socket", "file", "other"}
    assert kinds.count("file") <= 2
    assert kinds.count("socket") == 3
