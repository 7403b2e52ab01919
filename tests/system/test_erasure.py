"""Erasure through the whole system: afterwards nothing in the data folder decrypts or greps, and the log still proves itself."""

import json
import shutil
import sys
from asyncio import create_subprocess_exec, subprocess
from pathlib import Path
from typing import Any

import pytest

from agentos.contracts.base import Sealed
from agentos.contracts.envelope import CLAIM
from agentos.sealing import MasterKey, SealBroken, open_sealed
from services.ledger.audit.__main__ import verify_file
from tests.loopback.provider import LoopbackProvider
from tests.system.harness import DELIVERY, Choices, Topology, running
from tests.system.test_privacy import _assert_clear_of_personal_data


def wrapped_keys(system: Topology, stored: list[Any]) -> dict[str, bytes]:
    """Data keys as the broker keeps them, by task family."""
    return {m.subject.removeprefix("$KV.keys.default."): m.body for m in stored if m.stream == "KV_keys"}


def sealed_in(value: Any) -> list[Sealed]:
    """Every sealed part of a message's JSON."""
    if isinstance(value, dict):
        if value.keys() == set(Sealed.model_fields):
            return [Sealed.model_validate_json(json.dumps(value))]
        return [found for inner in value.values() for found in sealed_in(inner)]
    return [found for inner in value for found in sealed_in(inner)] if isinstance(value, list) else []


def files_with(folder: Path, needle: bytes) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


@pytest.mark.timeout(240)
async def test_after_erasure_nothing_in_the_data_folder_decrypts_or_greps_and_the_log_still_proves_itself(
    tmp_path: Path, provider: LoopbackProvider
) -> None:
    anchors = tmp_path / "outside.jsonl"
    ledger = {
        "AGENTOS_LEDGER_CHECKPOINT_INTERVAL": "PT0.2S",
        "AGENTOS_LEDGER_ANCHORS": json.dumps([str(anchors)]),
    }
    async with running(tmp_path, Choices(provider_url=provider.openai_base_url, extra={"ledger": ledger})) as system:
        kept, erased = [await _triaged(system, number) for number in (1, 2)]
        stored = await system.stored()
        keys = wrapped_keys(system, stored)
        assert {kept, erased} <= set(keys)
        assert files_with(system.data / "broker", keys[erased])

        done = await system.post("/privacy/erasures", {"task": erased, "reason": "the sender asked"})
        assert (done["state"], done["certificate"]["tasks"]) == ("certified", [erased])
        again = await system.post("/privacy/erasures", {"task": erased, "reason": "asked twice"})
        assert again == done

        told = await system.get(f"/tasks/{erased}")
        assert (told["result_state"], told["outcome"]) == ("erased", "completed")
        assert (await system.get(f"/tasks/{kept}"))["result_state"] == "opened"
        await system.until("the ledger marks the task", lambda: _marked(system, erased))

        verdict = await system.post("/audit/verify", {"anchors": anchors.read_text().splitlines()[-500:]})
        assert (verdict["ok"], verdict["problems"]) == (True, [])
        assert verdict["anchors"] >= 1

        _nothing_opens(system, await system.stored(), erased, kept)
        await _proven(system, tmp_path, done["certificate"]["event"], anchors)
        await _rebuilt_equal(system, erased)

    assert not files_with(tmp_path / "data", keys[erased]), "the wrapped key is overwritten, not only unlinked"
    for path in (path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.parent.name != "outbox"):
        _assert_clear_of_personal_data(str(path), path.read_bytes())


async def _triaged(system: Topology, number: int) -> str:
    """A delivery full of personal data, answered and settled; its task."""
    delivery = json.loads(DELIVERY.read_bytes())
    delivery["issue"]["number"] += number
    answer = await system.deliver(json.dumps(delivery).encode())
    task = str(answer.json()["task"])
    await system.resolve((await system.approval(task))["id"])
    assert (await system.settled(task))["outcome"] == "completed"
    return task


async def _marked(system: Topology, task: str) -> Any:
    return (await system.get(f"/tasks/{task}")).get("erased_at")


def _nothing_opens(system: Topology, stored: list[Any], erased: str, kept: str) -> None:
    """With the master key in hand and every message of the broker: what the erased family sealed stays shut, the rest opens."""
    master = MasterKey.load_or_create(system.data / "secrets" / "master.key")
    keys = wrapped_keys(system, stored)
    assert keys[erased] == b""
    candidates = [master.unwrap(name, value) for name, value in keys.items() if value]
    seen = {erased: 0, kept: 0}
    for message in stored:
        if CLAIM in message.headers or not message.body.startswith(b"{"):
            continue
        for sealed in sealed_in(json.loads(message.body)):
            if sealed.key in seen:
                seen[sealed.key] += 1
                assert _opens(candidates, sealed) is (sealed.key == kept), message.subject
    assert min(seen.values()) >= 4, seen
    assert not [m.subject for m in stored if m.stream in ("KV_placeholders", "KV_subjects") and erased in m.subject]


def _opens(keys: list[bytes], sealed: Sealed) -> bool:
    for key in keys:
        try:
            open_sealed(key, sealed.key, sealed.purpose, sealed)
        except SealBroken:
            continue
        return True
    return False


async def _proven(system: Topology, folder: Path, event: str, anchors: Path) -> None:
    """The certificate itself has a proof, which holds against the anchors with nothing of the system at hand."""

    async def signed() -> str | None:
        answer = await system.http.get("/audit/proof", params={"event": event})
        return str(answer.json()["proof"]) if answer.status_code == 200 else None

    proof, copy = folder / "certificate.proof", folder / "anchors.copy"
    proof.write_text(await system.until("a checkpoint covers the certificate", signed))

    async def anchored() -> bool | None:
        shutil.copy(anchors, copy)
        return verify_file(proof, anchors=copy).ok or None

    await system.until("the checkpoint is anchored", anchored)


async def _rebuilt_equal(system: Topology, erased: str) -> None:
    """The ledger's rows, folded anew from the stream, say the same; the key that is gone is not missed."""
    before = (await system.get("/tasks"))["items"]
    await system.services["ledger"].down()
    process = await create_subprocess_exec(
        sys.executable, "-m", "services.ledger", "rebuild", env=system._environment("ledger"), stderr=subprocess.DEVNULL
    )
    assert await process.wait() == 0
    await system.services["ledger"].up()
    await system.ready()
    after = (await system.get("/tasks"))["items"]
    assert after == before
    assert next(row for row in after if row["id"] == erased)["erased_at"]
