"""Erasure through the whole system: afterwards nothing in the data folder decrypts or greps, and the log still proves itself."""

import json
import shutil
import sys
from asyncio import create_subprocess_exec, subprocess
from pathlib import Path
from typing import Any

import httpx

from agentos.contracts.base import Sealed
from agentos.contracts.envelope import CLAIM
from agentos.contracts.events.call import ModelCallRequested
from agentos.sealing import MasterKey, SealBroken, open_sealed
from agentos.sealing.blocks import block_names, place_of
from services.ledger.audit.__main__ import verify_file
from tests.loopback.provider import LoopbackProvider
from tests.system.harness import DELIVERY, Choices, Topology, running
from tests.system.test_privacy import PLANTED, _assert_clear_of_personal_data


def wrapped_keys(stored: list[Any]) -> list[tuple[str, bytes]]:
    """Data keys as the broker keeps them, each with its name; every revision, oldest first, and nothing in place of an erased one."""
    found: list[tuple[str, bytes]] = []
    for message in (m for m in stored if m.stream == "KV_keys"):
        entry = message.subject.removeprefix("$KV.keys.default.")
        names = block_names(entry.removeprefix("block.")) if entry.startswith("block.") else (entry,)
        found += [(name, place_of(name).find(message.body) or b"") for name in names]
    return found


def sealed_in(value: Any) -> list[Sealed]:
    """Every sealed part of a message's JSON."""
    if isinstance(value, dict):
        if value.keys() == set(Sealed.model_fields):
            return [Sealed.model_validate_json(json.dumps(value))]
        return [found for inner in value.values() for found in sealed_in(inner)]
    return [found for inner in value for found in sealed_in(inner)] if isinstance(value, list) else []


def files_with(folder: Path, needle: bytes) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


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
        kept_call, erased_call = await _called(system), await _called(system)
        assert place_of(kept_call).entry == place_of(erased_call).entry, "calls share a block of keys"
        stored = await system.stored()
        keys = dict(wrapped_keys(stored))
        assert {kept, erased, kept_call, erased_call} <= set(keys)
        assert all(files_with(system.data / "broker", keys[name]) for name in (kept, erased, kept_call, erased_call))
        assert _opened(system, stored, kept_call) == _opened(system, stored, erased_call) >= 3

        done = await system.post("/privacy/erasures", {"task": erased, "reason": "the sender asked"})
        assert (done["state"], done["certificate"]["tasks"]) == ("certified", [erased])
        again = await system.post("/privacy/erasures", {"task": erased, "reason": "asked twice"})
        assert again == done

        of_call = await system.post("/privacy/erasures", {"task": erased_call, "reason": "the caller asked"})
        certificate = of_call["certificate"]
        assert (certificate["families"], certificate["keys_erased"], certificate["tasks"]) == ([erased_call], 1, [])
        assert await system.post("/privacy/erasures", {"task": erased_call, "reason": "asked twice"}) == of_call
        for name, held in ((kept_call, True), (erased_call, False)):
            (given,) = (await system.post("/privacy/exports", {"task": name, "reason": "an access request"}))["calls"]
            assert (given["outcome"], given["recipient"]["provider"]) == ("completed", "openai")
            assert (PLANTED[0] in json.dumps(given["asked"])) is held
            assert (given["answered"] == {"erased": True}) is not held

        told = await system.get(f"/tasks/{erased}")
        assert (told["result_state"], told["outcome"]) == ("erased", "completed")
        assert (await system.get(f"/tasks/{kept}"))["result_state"] == "opened"
        await system.until("the ledger marks the task", lambda: _marked(system, erased))

        verdict = await system.post("/audit/verify", {"anchors": anchors.read_text().splitlines()[-500:]})
        assert (verdict["ok"], verdict["problems"]) == (True, [])
        assert verdict["anchors"] >= 1

        stored = await system.stored()
        keys_left = dict(wrapped_keys(stored))
        for gone, left, least in ((erased, kept, 4), (erased_call, kept_call, 3)):
            assert (keys_left[gone], keys_left[left]) == (b"", keys[left])
            assert _opened(system, stored, gone) == 0
            assert _opened(system, stored, left) >= least
            assert not [m.subject for m in stored if m.stream in ("KV_placeholders", "KV_subjects") and gone in m.subject]
        await _proven(system, tmp_path, done["certificate"]["event"], anchors)
        await _rebuilt_equal(system, erased)

    for gone in (erased, erased_call):
        assert not files_with(tmp_path / "data", keys[gone]), "the wrapped key is overwritten, not only unlinked"
    assert files_with(tmp_path / "data", keys[kept_call])
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


async def _called(system: Topology) -> str:
    """A call of the governed endpoint full of personal data, answered; the name that stands in the task's place."""
    before = {message.seq for message in await system.stored("EVENTS")}
    made = await system.post("/keys", {"name": "a client", "virtual": {"pack": "support"}})
    body = {"model": "openai/gpt-5-mini", "messages": [{"role": "user", "content": f"Who are {', '.join(PLANTED)}?"}]}
    async with httpx.AsyncClient(base_url=system.url, trust_env=False, timeout=30) as client:
        answer = await client.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {made['key']}"})
    assert answer.status_code == 200, answer.text
    since = [message.recorded for message in await system.stored("EVENTS") if message.seq not in before]
    (received,) = [event for event in since if event.channel.name == "call.received"]
    return received.payload(ModelCallRequested).context.task


def _opened(system: Topology, stored: list[Any], name: str) -> int:
    """With the master key in hand and every message of the broker: how many of the values that key ``name`` sealed open."""
    master = MasterKey.load_or_create(system.data / "secrets" / "master.key")
    candidates = [master.unwrap(each, value) for each, value in wrapped_keys(stored) if value]
    messages = [m for m in stored if CLAIM not in m.headers and m.body.startswith(b"{")]
    found = [each for message in messages for each in sealed_in(json.loads(message.body)) if each.key == name]
    assert len(found) >= 3, found
    opened = [each for each in found if _opens(candidates, each)]
    assert len(opened) in (0, len(found))
    return len(opened)


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
