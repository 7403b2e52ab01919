"""A pack that takes all it can get harms itself and its process, and nobody else."""

from datetime import timedelta
from pathlib import Path

import pytest

from agentos.packhost.process import Died, EndedFrame
from tests.bypass.site import run, site_in


@pytest.mark.parametrize(
    ("do", "limit"),
    [
        ("memory", "MemoryError"), ("shared_memory", "OSError"), ("descriptors_without_end", "OSError"), ("large_file", "OSError"),
        ("threads_without_end", "BlockingIOError"),
    ],
)  # fmt: skip
async def test_there_is_an_end_to(do: str, limit: str, tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        came = await run({**site.x, "do": do}, memory_bytes=1024**3)
    assert isinstance(came.ended, EndedFrame)
    assert came.ended.result == {"refused": limit}, came.ended


async def test_an_endless_loop_is_ended_and_its_run_named(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        came = await run({**site.x, "do": "endless_loop"}, hang_after=timedelta(seconds=1))
    assert came.ended == Died(hung=True, guilty=True, blamed=True)


async def test_a_flood_of_output_is_cut_short(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        came = await run({**site.x, "do": "output_flood"}, hang_after=timedelta(seconds=30))
    assert isinstance(came.ended, EndedFrame)
    assert len(came.printed) <= 501
