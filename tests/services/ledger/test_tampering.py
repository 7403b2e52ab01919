"""Each way to tamper with the log is found and its place named: in an export, in the database, and in the broker's own store.

The strongest attacker owns the machine *and* the ledger's key. Against that one stand the anchors alone, which were written elsewhere.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import nats
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agentos.bus.provision import provision
from agentos.bus.topology import PROVISIONER
from agentos.contracts.channels import channel_for
from agentos.contracts.events.governance import AuditCheckpointed
from services.ledger import keys
from services.ledger.audit import chain, export
from services.ledger.audit.anchors import Anchor, anchor_line, read_anchors
from services.ledger.audit.offline import verify_export
from services.ledger.audit.verdict import Verdict
from services.ledger.domain.facts import Incoming
from services.ledger.store import SqlStore
from services.ledger.trail import Trail, Verification
from tests.services.ledger import history
from tests.services.ledger.test_verify import (
    FILE,
    KEY,
    OTHER,
    PUBLIC,
    STREAM,
    Record,
    kinds,
    live,
    signed_over,
    with_checkpoint,
    written,
)

ANCHORS = [Anchor(signed_over(STREAM[:count]), PUBLIC) for count in (5, 19, len(STREAM))]
"""What was written down elsewhere while the log grew."""


def renumbered(events: Sequence[Incoming]) -> list[Incoming]:
    return [replace(event, seq=seq) for seq, event in enumerate(events, 1)]


def _edited(events: list[Incoming]) -> list[Incoming]:
    return [*events[:7], replace(events[7], body=events[7].body + b" "), *events[8:]]


TAMPERINGS: dict[str, Callable[[list[Incoming]], list[Incoming]]] = {
    "edit": _edited,
    "delete": lambda e: [*e[:7], *e[8:]],
    "insert": lambda e: [*e[:7], replace(e[7], subject="evt.default.task.invented.submitted"), *e[7:]],
    "reorder": lambda e: [*e[:7], e[8], e[7], *e[9:]],
    "truncate": lambda e: e[:20],
    "replay": lambda e: [*e, replace(e[2], subject=e[2].subject)],
    "replace": lambda e: history.stream(history.life("another")),
    "forge": lambda e: with_checkpoint([each for each in e if ".audit." not in each.subject]),
}
"""From the eighth event on, where it is about one event. What is done to the events alone; the numbers follow by themselves."""

FOUND_FROM = {"edit": 8, "delete": 8, "insert": 8, "reorder": 8, "truncate": 21, "replay": 26, "replace": 1, "forge": 20}
"""Nothing before this sequence differs."""


def place_of(verdict: Verdict) -> int:
    """The first sequence that a problem names."""
    return min(
        int(p.place.replace("line ", "seq ").split()[1]) for p in verdict.problems if p.place.startswith(("seq", "line"))
    )


@pytest.mark.parametrize("how", TAMPERINGS)
def test_the_database_still_remembers_what_was_changed_in_the_stream(how: str) -> None:
    """The stream was tampered with; what the ledger recorded was not."""
    tampered = renumbered(TAMPERINGS[how](STREAM))
    verdict = live(tampered, Record(STREAM))
    if how == "replay":
        # The ledger would fold it as a new event, and say that the subject repeats: the stream itself takes one message a subject.
        assert verdict.ok
        assert verdict.events == len(STREAM) + 1
        return
    assert not verdict.ok
    assert place_of(verdict) == FOUND_FROM[how]


@pytest.mark.parametrize("how", TAMPERINGS)
def test_an_export_that_was_tampered_with_by_hand_is_found(how: str) -> None:
    """Lines of the file are edited, removed, added, moved, cut off, repeated, exchanged; the hashes in it stay."""
    hashes = chain.links(chain.GENESIS, STREAM)
    by_body = {id(event): hash_ for event, hash_ in zip(STREAM, hashes, strict=True)}
    lines = [export.event_line(event, by_body.get(id(event), bytes(32))) for event in TAMPERINGS[how](STREAM)]
    verdict = verify_export([FILE[0], *lines, FILE[-1]])
    assert not verdict.ok
    # The header is line 1; a signature over it speaks of the whole.
    assert min(int(p.place.split()[1]) for p in verdict.problems if p.place != "line 1") == FOUND_FROM[how] + 1


@pytest.mark.parametrize("how", [how for how in TAMPERINGS if how != "replay"])
@pytest.mark.parametrize("where", ["live", "export"])
def test_a_thief_of_the_key_who_signs_everything_anew_is_found_by_the_anchors(how: str, where: str) -> None:
    """Stream, database, checkpoints and export agree with each other and bear the right key's signatures."""
    kept = [event for event in TAMPERINGS[how](STREAM) if ".audit." not in event.subject]
    forged = with_checkpoint(renumbered(kept))
    alone = live(forged, Record(forged)) if where == "live" else verify_export(written(forged), public_key=PUBLIC)
    assert alone.ok, "without anchors nobody could tell; hence:"
    told = live(forged, Record(forged), *ANCHORS) if where == "live" else verify_export(written(forged), anchors=ANCHORS)
    (problem,) = [p for p in told.problems if p.kind in ("replaced", "truncated")][:1]
    first, last = map(int, problem.place.removeprefix("seq ").split(" to "))
    if problem.kind == "truncated":
        assert first == len(forged) + 1, "what was anchored there is not there any more"
    else:
        # Between the last anchor that still holds and the first that does not.
        assert first <= FOUND_FROM[how] <= last


def test_a_chain_replaced_with_its_keys_is_found_by_the_anchors_and_by_the_key_that_one_noted() -> None:
    forged = with_checkpoint(history.stream(history.life("t1")), OTHER)
    assert verify_export(written(forged, OTHER)).ok
    assert ("line 1", "replaced") in kinds(verify_export(written(forged, OTHER), public_key=PUBLIC))
    assert "key" in {problem.kind for problem in verify_export(written(forged, OTHER), anchors=ANCHORS).problems}


def test_a_checkpoint_forged_with_another_key_is_found_at_its_place() -> None:
    forged = with_checkpoint(list(STREAM), OTHER)
    assert kinds(verify_export(written(forged))) == {(f"line {len(STREAM) + 2}", "replaced")}
    assert kinds(live(forged, Record(forged))) == {(f"seq {len(STREAM) + 1}", "replaced")}


def test_a_checkpoint_over_another_tree_is_found_although_its_chain_is_right() -> None:
    honest = Record(STREAM).signed[25]
    other = keys.sign(KEY, honest.seq, bytes.fromhex(honest.chain), bytes(32))
    assert other.chain == honest.chain
    body = AuditCheckpointed.model_validate(asdict(other)).model_dump_json().encode()
    forged = [*STREAM[:-1], replace(STREAM[-1], body=body)]
    assert kinds(live(forged, Record(forged))) == {("seq 25", "replaced")}


def test_a_cut_off_log_is_found_behind_the_last_anchor_that_it_still_holds() -> None:
    verdict = verify_export(written(STREAM[:20]), anchors=ANCHORS)
    assert kinds(verdict) == {(f"seq 21 to {len(STREAM)}", "truncated")}
    assert verdict.anchors == 2


def test_an_anchor_that_was_changed_is_told_apart_from_a_changed_log() -> None:
    lines = [anchor_line(each.checkpoint, PUBLIC) for each in ANCHORS]
    bent = lines[1].replace(b'"seq":19', b'"seq":18')
    read = Verdict()
    anchors = read_anchors([lines[0], bent, lines[2]], read)
    assert read.ok
    assert kinds(verify_export(written(STREAM), anchors=anchors)) == {("anchor line 2", "forged")}
    broken = Verdict()
    read_anchors([lines[0], b"no anchor\n", lines[1][:40]], broken)
    assert kinds(broken) == {("anchor line 2", "malformed")}, "an unfinished last line is the writer's, not an attack"
    assert [a.checkpoint.seq for a in read_anchors([lines[0], lines[1][:40] + b"\n", lines[1]], broken)] == [5, 19]


# --- the broker's own store -------------------------------------------------------------------------------------------


class Attacked:
    """A real broker whose EVENTS stream was made anew with other content, by somebody who owns the machine."""

    def __init__(self, broker: Any, folder: Path) -> None:
        self.broker = broker
        self.store = SqlStore(f"sqlite:///{folder}/ledger.db")
        self.store.migrate()
        self._buses: dict[str, Any] = {}

    async def bus(self, service: str) -> Any:
        if service not in self._buses:
            self._buses[service] = await self.broker.connect(service)
        return self._buses[service]

    async def fill(self, events: Sequence[Incoming]) -> list[Incoming]:
        """Put the events into the stream as their publishers would; what stands there afterwards."""
        for event in events:
            bus = await self.bus(channel_for(event.subject).publisher)
            headers = {name: value for name, value in event.headers.items() if not name.startswith("Nats-")}
            await bus.client.jetstream().publish(event.subject, event.body, headers=headers)
        return await self.standing()

    async def standing(self) -> list[Incoming]:
        updates = (await self.bus("ledger")).tail(("evt.>",), start="first").updates()
        found: list[Incoming] = []
        async for raw in updates:
            if raw is None:
                break
            found.append(Incoming(raw.seq, raw.subject, raw.headers, raw.body))
        await updates.aclose()
        return found

    async def replace_stream(self, events: Sequence[Incoming]) -> list[Incoming]:
        settings = self.broker.settings(PROVISIONER)
        client = await nats.connect(
            settings.servers, user=PROVISIONER, password=settings.secret(), inbox_prefix=b"_INBOX_provisioner"
        )
        # A broker on a busy disk was seen to begin the new stream with subjects of the one that it had just deleted.
        state: dict[str, int] = {"messages": -1}
        for _ in range(5):
            deleted = await client.request("$JS.API.STREAM.DELETE.EVENTS", b"", timeout=60)
            assert json.loads(deleted.data).get("success"), deleted.data
            await provision(settings, replicas=1)
            state = json.loads((await client.request("$JS.API.STREAM.INFO.EVENTS", b"", timeout=60)).data)["state"]
            if (state["messages"], state["last_seq"], state.get("num_subjects", 0)) == (0, 0, 0):
                break
        await client.close()
        assert state["messages"] == 0, f"the stream was deleted and made anew, and is not empty: {state}"
        return await self.fill(events)

    async def verify(self, key: Ed25519PrivateKey = KEY, anchors: Sequence[Anchor] = ()) -> dict[str, Any]:
        trail = Trail(await self.bus("ledger"), self.store, key, asyncio.to_thread, list)
        lines = tuple(anchor_line(each.checkpoint, each.public_key).decode().rstrip() for each in anchors)
        answer: Any = await trail.queries["audit.verify"][1]("default", Verification(anchors=lines))
        return answer


@pytest.fixture
def attacked(broker: Any, tmp_path: Path) -> Any:
    made = Attacked(broker, tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize("how", [how for how in TAMPERINGS if how != "replay"])
async def test_a_tampered_store_of_the_broker_is_found_with_and_without_the_thief_of_the_key(
    attacked: Attacked, how: str
) -> None:
    before = await attacked.fill(STREAM)
    attacked.store.apply(before)
    anchors = [Anchor(signed_over(before[:count]), PUBLIC) for count in (5, 19, len(before))]
    honest = await attacked.verify(anchors=anchors)
    assert (honest["ok"], honest["checkpoints"], honest["anchors"]) == (True, 2, 3), honest

    after = await attacked.replace_stream(TAMPERINGS[how](list(before)))
    found = await attacked.verify()
    assert not found["ok"]
    assert min(int(p["place"].split()[1]) for p in found["problems"]) == FOUND_FROM[how]

    # The thief has the database folded from the new stream, and a checkpoint over it signed.
    resigned = await attacked.replace_stream(with_checkpoint([e for e in after if ".audit." not in e.subject]))
    attacked.store.reset()
    attacked.store.apply(resigned)
    told = await attacked.verify(anchors=anchors)
    assert {p["kind"] for p in told["problems"]} & {"replaced", "truncated"}


async def test_an_old_event_cannot_be_replayed_into_the_stream(attacked: Attacked) -> None:
    """The stream takes one message a subject, for ever; under another subject it is another event, which its publisher may not write."""
    before = await attacked.fill(STREAM)
    attacked.store.apply(before)
    old = before[2]
    bus = await attacked.bus(channel_for(old.subject).publisher)
    with pytest.raises(Exception, match="maximum messages per subject"):
        await bus.client.jetstream().publish(old.subject, old.body, headers=dict(old.headers))
    assert await attacked.standing() == before
    assert (await attacked.verify())["ok"]
