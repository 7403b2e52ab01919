"""How soon the console's questions are answered at the API, at a size: through HTTP, gateway, rules, broker and ledger, and back.

    python -m bench.console_http [tasks] [sqlite|postgresql] [rounds] [folder] [part of a path]

The database is that of bench.console_api (the same folder holds it), under a real installation; one client asks one question after the other.
A star marks what is over 200 ms at p95; a refusal is a sample like another, with the time it took, and is shown. Before each question it
waits until the machine's processors are its own again, and says how long it waited in all.
"""

import asyncio
import json
import re
import shutil
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import nats
from nats.aio.client import Client
from sqlalchemy import delete, insert

from agentos.bus import Raw
from agentos.bus.topology import PROVISIONER
from bench._quiet import wait_until_quiet
from bench._seed import EACH, EVENTS_EACH, end_of, seed, task_id
from bench.console_api import TARGET_MS, database
from services.ledger import tables as t
from services.ledger.audit import chain
from services.ledger.store import SqlStore
from services.ledger.task_lists import position
from tests.installed import installation
from tests.services.ledger import history

UNSIGNED = {"AGENTOS_LEDGER_CHECKPOINT_EVENTS": "1000000", "AGENTOS_LEDGER_CHECKPOINT_INTERVAL": "P1D"}
"""No checkpoint is signed over a log of which the beginning was never there."""
LENT_S = 1200.0
"""How long a whole run waits for processors that are lent to others, before it asks whether they are or not."""
MARK: tuple[str, dict[str, str], bytes] = ("evt.default.call.seeded.abandoned", {}, b"{}")
"""Subject, headers and body of the event that stands where the seeded ledger ends."""


def _paths(count: int) -> list[str]:
    middle, end, some = count * EVENTS_EACH // 2, end_of(count), task_id(count // 2)
    half, hundredth = (quote((history.START + EACH * (count // part)).isoformat()) for part in (2, 100))
    day = f"from={quote((end - timedelta(days=1)).isoformat())}&to={quote(end.isoformat())}"
    now = quote(end.isoformat())
    tasks = [
        "", f"cursor={middle}", "order=asc", "count=true", "sort=updated", "sort=cost", "sort=duration", "limit=500",
        "outcome=failed&count=true", "outcome=failed&sort=cost", "outcome=cancelled&pack=pack-3&count=true", "outcome=expired&count=true",
        "state=running", "state=running,waiting,queued&sort=updated", "state=running&sort=cost", "pack=none&sort=duration&count=true",
        "agent=none&sort=updated&count=true", "agent=triager&count=true", "priority=high&count=true", "type=type-7&pack=pack-3",
        "type=type-7&sort=cost&count=true", "requester=person77", "requester=person77&sort=cost", "cost_from=0.9999",
        "cost_to=0.0001&count=true",
        "pack=pack-7&sort=duration", f"until={hundredth}&sort=cost", f"until={half}&count=true", f"since={half}&outcome=failed",
        f"q=issue%20{count // 3}", "q=repo17", "q=triager", "q=nowhere", "q=repo17&outcome=failed", "q=repo17&sort=cost&count=true",
        "q=triager%20repo17%20person77&sort=cost", "q=triager&sort=cost&count=true", f"id_prefix={some[:8]}",
    ]  # fmt: skip
    events = [
        "", f"cursor={middle}", "type=kill.engaged", "type=call.settled", "type=task", f"id={some}", f"task={some}", "actor=person77",
        "actor=nobody", "q=triager", "q=nowhere", f"q={some}", f"until={half}", f"since={half}&type=task.decided",
        "q=triager&type=task.decided",
    ]  # fmt: skip
    return [
        *(f"tasks?{query}" for query in tasks),
        "tasks/stats", "tasks/stats?pack=pack-3", f"tasks/{some}/timeline", "tasks/big/timeline", f"tasks/{some}/events",
        f"tasks/{some}/logs",
        *(f"audit/events?{query}" for query in events),
        "approvals", "approvals?state=pending", "approvals?mine=true", "approvals?state=expired", f"approvals?task={some}",
        "deadletters", "deadletters?service=none", "deadletters?state=open&code=failed", f"deadletters?until={half}",
        "policy/decisions", f"policy/decisions?call={some}", f"policy/decisions?id_prefix={some[:8]}", "policy/decisions?kind=edit",
        "policy/hits", "costs", "costs?by=day,model", "costs?pack=pack-3&by=agent", f"costs?{day}", "costs/routing", "budgets",
        "calls/recorded", f"calls/{some}-s0001-e1", "packs", "agents", "kill", "kill/history", "keys", "users", "models",
        "system/status", f"system/overview?window=24h&until={now}", f"system/overview?window=30d&until={now}",
        "events", f"events?task={some}",
    ]  # fmt: skip


def _seeded(url: str, count: int) -> int:
    """The last place that the ledger has read, with so many tasks in it; as if it had read ``MARK`` there."""
    store = SqlStore(url)
    try:
        store.migrate()
        if store.read(position) == 0:
            seed(store, count)
        place = store.read(position)
        with store._writer.begin() as tx:  # pyright: ignore[reportPrivateUsage] - in bulk, past the fold
            # What was seeded is not chained: the chain begins where the installation goes on.
            for table in (t.audit_chain, t.audit_nodes, t.audit_checkpoints):
                tx.execute(delete(table))
            tx.execute(insert(t.audit_chain).values(seq=place, hash=chain.link(chain.GENESIS, Raw(*MARK, place, 0, 0))))
        return place
    finally:
        store.close()


async def _begin_at(data: Path, place: int) -> None:
    """Have the installation's log begin with ``MARK`` at that place, as if all before it had been there and was deleted."""
    listen = re.search(r'listen: "([^"]+)"', (data / "broker" / "nats-server.conf").read_text())
    assert listen is not None

    async def connected(user: str) -> Client:
        password = (data / "secrets" / f"nats-{user}.password").read_text().strip()
        return await nats.connect(f"nats://{listen[1]}", user=user, password=password, inbox_prefix=f"_INBOX_{user}".encode())

    async def said(client: Client, subject: str, body: bytes = b"") -> dict[str, Any]:
        answer = json.loads((await client.request(subject, body, timeout=10)).data)
        assert "error" not in answer, answer
        return answer

    client = await connected(PROVISIONER)
    config = (await said(client, "$JS.API.STREAM.INFO.EVENTS"))["config"]
    await said(client, "$JS.API.STREAM.DELETE.EVENTS")
    await said(client, "$JS.API.STREAM.CREATE.EVENTS", json.dumps(config | {"first_seq": place}).encode())
    await client.close()
    client = await connected("gateway")
    await said(client, MARK[0], MARK[2])
    await client.close()


def _measured(url: str, key: str, paths: list[str], rounds: int) -> None:
    slow, refused, waited, first = 0, 0, 0.0, 0.0
    with httpx.Client(
        base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60
    ) as client:
        for path in paths:
            took: list[float] = []
            refusals: list[str] = []
            waited += wait_until_quiet(LENT_S - waited)
            for _ in range(rounds):
                began = time.perf_counter()
                answer = client.get(path)
                took.append((time.perf_counter() - began) * 1000)
                if not answer.is_success:
                    refusals.append(f"   refused {len(refusals) + 1} of {rounds}: {answer.status_code} {answer.text[:120]}")
            first = max(first, took[0])
            took.sort()
            p50, p95 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.95))]
            slow += p95 > TARGET_MS
            refused += len(refusals)
            star = "   *" if p95 > TARGET_MS else ""
            print(f"  {path:<66} p50 {p50:8.1f} ms   p95 {p95:8.1f} ms{star}{''.join(refusals[-1:])}", flush=True)
    print(f"{len(paths)} questions, {rounds} times each; {slow} over {TARGET_MS} ms at p95, {refused} answers refused")
    print(f"the slowest when it was asked for the first time took {first:.0f} ms")
    print(f"before them {waited:.0f} s of waiting for a processor that was not lent to others (up to {LENT_S:.0f} s)")


def main() -> None:
    given = dict(enumerate(sys.argv[1:]))
    count, kind, rounds = int(given.get(0, 100_000)), given.get(1, "sqlite"), int(given.get(2, 40))
    kept = Path(given[3]) if 3 in given else None
    folder = kept or Path(tempfile.mkdtemp(prefix="agentos-console-"))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [path for path in _paths(count) if given.get(4, "") in path]
    try:
        with (
            database(kind, folder) as url,
            tempfile.TemporaryDirectory() as data,
        ):
            place = _seeded(url, count)
            with installation(Path(data)):
                asyncio.run(_begin_at(Path(data) / "up", place))
            with installation(Path(data), **(UNSIGNED | {"AGENTOS_LEDGER_DATABASE_URL": url})) as (address, key):
                print(f"{kind}: {count:,} tasks, {place:,} events", flush=True)
                _measured(address, key, paths, rounds)
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
