"""The packs of this repository mind their own business: a false alarm would teach people to look away."""

from pathlib import Path
from typing import Literal

import pytest

from agentos.packhost.listener import Tried
from agentos.packhost.process import HostOptions, PackHost
from agentos.sdk.manifest import discover

PACKS = discover((Path(__file__).resolve().parents[2] / "packs",))


@pytest.mark.parametrize("mode", ["agents", "tools"])
@pytest.mark.parametrize("name", PACKS)
async def test_importing_a_pack_of_ours_is_no_try(name: str, mode: Literal["agents", "tools"]) -> None:
    tried: list[Tried] = []
    host = await PackHost.start(
        PACKS[name], HostOptions(mode=mode, network=mode == "tools"), lambda stream, line: None, tried.append
    )
    watched = host.watched
    await host.stop()
    assert watched
    assert tried == []
