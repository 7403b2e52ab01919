"""Reveal, erasure and access over a real broker: nothing is shown unannounced, nothing that runs is erased, what is erased stays so."""

import json
from typing import Any

import pytest

from agentos.contracts.errors import RetryLater
from agentos.contracts.events.privacy import ErasureCertified, PayloadRevealed
from agentos.keyring import KeyRing
from agentos.subjects import SubjectIndex
from services.gateway import erasure
from tests.services.gateway.test_api import TASK, known, submitted
from tests.services.gateway.test_webhooks_http import problem

PERSON = "jane@example.com"


async def settled(
    edge: Any, *, person: str | None = PERSON, result: bytes = b'{"answer": "Jane is 42"}', **headers: str
) -> str:
    """A task that ended, and that policy found a person in."""
    task = await submitted(edge, **headers)
    await edge.backend.orchestrator.settle(task, await edge.gateway.keyring.seal("default", task, "task.result", result))
    if person is not None:
        await noted(edge, task, person)
    await known(edge, task)
    return task


async def noted(edge: Any, task: str, person: str) -> None:
    if not hasattr(edge, "index"):
        policy = await edge.broker.connect("policy")
        edge.index = SubjectIndex(policy, edge.gateway.keyring)
        edge.maps = policy.bucket("placeholders")
    await edge.index.note("default", task, [("EMAIL", person)])
    await edge.maps.put(f"default.{task}", b"a sealed map")


@pytest.fixture(autouse=True)
def with_broker(edge: Any, broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    edge.broker = broker
    monkeypatch.setattr(erasure, "CACHE_S", 0.0)


def told(edge: Any, kind: type[Any]) -> list[Any]:
    return [event.data for event in edge.backend.ledger.events if isinstance(event.data, kind)]


async def erase(edge: Any, **body: Any) -> Any:
    return await edge.http.post("/api/v1/privacy/erasures", json={"reason": "the person asked", **body})


# --- reveal -----------------------------------------------------------------------------------------------------------


async def test_a_sealed_field_is_shown_after_the_log_says_to_whom_and_why(edge: Any) -> None:
    task = await settled(edge)
    subject = f"evt.default.task.{task}.submitted"
    answer = await edge.http.post("/api/v1/payloads/reveal", json={"event": subject, "reason": "a complaint"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["value"], answer.headers["cache-control"]) == (TASK["input"], "no-store")
    await edge.backend.eventually(lambda: told(edge, PayloadRevealed))
    (fact,) = told(edge, PayloadRevealed)
    assert (fact.what, fact.event, fact.field, fact.purpose, fact.reason, fact.by.id, fact.task) == (
        "reveal", subject, "input", "task.input", "a complaint", "admin", task,
    )  # fmt: skip
    by_id = next(e.meta.event_id for e in edge.backend.ledger.events if e.subject == subject)
    assert (await edge.http.post("/api/v1/payloads/reveal", json={"event": by_id, "reason": "again"})).json()["value"] == TASK[
        "input"
    ]


async def test_where_the_log_cannot_be_written_nothing_is_shown(edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, other = await settled(edge), await edge.key("operator")

    async def away(*_: Any, **__: Any) -> Any:
        raise RetryLater("the broker did not acknowledge", code="broker_unavailable")

    monkeypatch.setattr(edge.gateway.bus, "append", away)
    answer = await edge.http.post(
        "/api/v1/payloads/reveal", json={"event": f"evt.default.task.{task}.submitted", "reason": "why not"}
    )
    assert problem(answer) == (503, "unavailable")
    assert "jane" not in answer.text
    shown = await edge.http.get(f"/api/v1/tasks/{task}", headers={"Authorization": f"Bearer {other}"})
    assert problem(shown) == (503, "unavailable")


async def test_a_reveal_that_is_repeated_under_its_key_is_one_fact_and_its_answer_is_kept_nowhere(edge: Any) -> None:
    task = await settled(edge)
    body = {"event": f"evt.default.task.{task}.submitted", "reason": "a complaint"}
    for _ in range(2):
        answer = await edge.http.post("/api/v1/payloads/reveal", json=body, headers={"Idempotency-Key": "r1"})
        assert answer.status_code == 200
    changed = await edge.http.post(
        "/api/v1/payloads/reveal", json=body | {"reason": "something else"}, headers={"Idempotency-Key": "r1"}
    )
    assert problem(changed) == (422, "idempotency_key_reused")
    await edge.backend.eventually(lambda: told(edge, PayloadRevealed))
    assert len(told(edge, PayloadRevealed)) == 1
    assert await edge.gateway.bus.bucket("idempotency").keys() == []


async def test_what_cannot_be_revealed_is_refused_by_name(edge: Any) -> None:
    task = await settled(edge)
    for event, expected in (
        (f"evt.other.task.{task}.submitted", (404, "not_found")),
        ("evt.nonsense", (404, "not_found")),
        ("no-such-id", (404, "not_found")),
        (f"evt.default.task.{task}.>", (404, "not_found")),
    ):
        answer = await edge.http.post("/api/v1/payloads/reveal", json={"event": event, "reason": "looking"})
        assert problem(answer) == expected, answer.text
    answer = await edge.http.post(
        "/api/v1/payloads/reveal",
        json={"event": f"evt.default.task.{task}.submitted", "field": "requester", "reason": "looking"},
    )
    assert problem(answer) == (422, "invalid_request")
    assert "input" in answer.json()["detail"]
    assert told(edge, PayloadRevealed) == []


async def test_a_result_read_by_somebody_else_stands_in_the_log_once_an_hour_and_reader(edge: Any) -> None:
    author, operator = await edge.key("author"), await edge.key("operator")
    task = await settled(edge, Authorization=f"Bearer {author}")
    for key in (author, operator, operator, operator):
        shown = await edge.http.get(f"/api/v1/tasks/{task}", headers={"Authorization": f"Bearer {key}"})
        assert shown.json()["result_state"] == "opened"
    await edge.backend.eventually(lambda: told(edge, PayloadRevealed))
    (fact,) = told(edge, PayloadRevealed)
    assert (fact.what, fact.task, fact.by.roles) == ("result", task, ("operator",))


# --- erasure ----------------------------------------------------------------------------------------------------------


async def test_an_erased_task_is_unreadable_certified_and_erased_once(edge: Any) -> None:
    task = await settled(edge)
    first = await erase(edge, task=task)
    assert first.status_code == 201, first.text
    certificate = first.json()["certificate"]
    assert (certificate["families"], certificate["tasks"]) == ([task], [task])
    counts = [certificate[name] for name in ("keys_erased", "placeholder_maps_erased", "index_entries_erased")]
    assert counts == [1, 1, 1]
    again = await erase(edge, task=task)
    assert (again.status_code, again.json()) == (200, first.json())
    shown = (await edge.http.get(f"/api/v1/privacy/erasures/{first.json()['id']}")).json()
    assert shown == first.json()
    edge.gateway.keyring._cache.clear()
    assert (await edge.http.get(f"/api/v1/tasks/{task}")).json()["result_state"] == "erased"
    reveal = {"event": f"evt.default.task.{task}.submitted", "reason": "looking"}
    assert problem(await edge.http.post("/api/v1/payloads/reveal", json=reveal)) == (410, "key_erased")
    assert problem(await edge.http.post(f"/api/v1/tasks/{task}/retry")) == (410, "key_erased")
    assert told(edge, PayloadRevealed) == []


async def test_a_person_is_erased_from_every_task_and_may_come_back(edge: Any) -> None:
    one, two = await settled(edge), await settled(edge)
    other = await settled(edge, person="joe@example.com")
    first = await erase(edge, subject=" JANE@example.com")
    assert first.json()["certificate"]["families"] == [one, two]
    assert PERSON not in first.text
    assert (await erase(edge, subject=PERSON)).json() == first.json()
    assert await edge.gateway.keyring.exists("default", other)
    third = await settled(edge)
    second = (await erase(edge, subject=PERSON)).json()
    assert (second["id"], second["n"], second["certificate"]["families"]) == (first.json()["id"], 2, [third])
    assert problem(await erase(edge, subject="nobody@example.com")) == (404, "not_found")
    await edge.backend.eventually(lambda: len(told(edge, ErasureCertified)) == 2)
    assert PERSON not in json.dumps([event.data.model_dump(mode="json") for event in edge.backend.ledger.events], default=str)


async def test_what_still_runs_is_named_and_not_erased_unless_it_may_be_cancelled(edge: Any) -> None:
    done, runs = await settled(edge), await submitted(edge)
    await noted(edge, runs, PERSON)
    await known(edge, runs)
    refused = await erase(edge, subject=PERSON)
    assert problem(refused) == (409, "task_running")
    assert runs in refused.json()["detail"]
    assert done not in refused.json()["detail"]
    assert await edge.gateway.keyring.exists("default", done)
    edge.backend.orchestrator.cancels = True
    erased = await erase(edge, subject=PERSON, cancel=True)
    assert erased.status_code == 201, erased.text
    assert set(erased.json()["certificate"]["families"]) == {done, runs}


async def test_an_erasure_that_a_crash_cut_off_is_finished_by_asking_again(edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = await settled(edge), await settled(edge)
    erase_key = KeyRing.erase

    async def dies_at_the_second(ring: KeyRing, tenant: str, key: str) -> bool:
        if key == two:
            raise RetryLater("the connection went")
        return await erase_key(ring, tenant, key)

    with monkeypatch.context() as patch:
        patch.setattr(KeyRing, "erase", dies_at_the_second)
        assert (await erase(edge, subject=PERSON)).status_code == 503
    assert [await edge.gateway.keyring.exists("default", task) for task in (one, two)] == [False, True]
    finished = await erase(edge, subject=PERSON)
    assert (finished.json()["n"], finished.json()["certificate"]["families"]) == (1, [one, two])
    assert not await edge.gateway.keyring.exists("default", two)


async def test_a_submission_repeated_after_the_erasure_is_gone_for_good(edge: Any) -> None:
    headers: dict[str, Any] = {"Idempotency-Key": "k1"}
    task = await settled(edge, **headers)
    await erase(edge, task=task)
    await edge.gateway.bus.bucket("idempotency").delete((await edge.gateway.bus.bucket("idempotency").keys())[0])
    edge.gateway.keyring._cache.clear()
    again = await edge.http.post("/api/v1/tasks", json=TASK, headers={"Idempotency-Key": "k1"})
    assert problem(again) == (410, "key_erased")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": "asked"}, "task or a subject"),
        ({"reason": "asked", "task": "a", "subject": "a@b.org"}, "task or a subject"),
        ({"reason": "Jane@Example.com asked", "subject": PERSON}, "reason repeats"),
        ({"reason": "asked", "task": "a.>"}, "task"),
        ({"reason": "asked", "subject": "x" * 400}, "subject"),
    ],
)
async def test_a_bad_request_about_a_person_says_what_is_wrong_and_repeats_no_value(edge: Any, body: Any, field: str) -> None:
    answer = await edge.http.post("/api/v1/privacy/erasures", json=body)
    assert problem(answer) == (422, "invalid_request")
    assert field in answer.text
    assert "example.com" not in answer.text.lower()


# --- access -----------------------------------------------------------------------------------------------------------


async def test_all_that_is_held_about_a_person_is_given_out_after_the_log_says_so(edge: Any) -> None:
    one, two = await settled(edge), await settled(edge)
    await erase(edge, task=two)
    edge.gateway.keyring._cache.clear()
    await noted(edge, two + "x", "nobody@example.com")
    answer = await edge.http.post("/api/v1/privacy/exports", json={"subject": PERSON, "reason": "access request 7"})
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert [task["id"] for task in given["tasks"]] == [one]
    assert (given["tasks"][0]["input"], given["tasks"][0]["result"]) == (TASK["input"], {"answer": "Jane is 42"})
    await edge.backend.eventually(lambda: told(edge, PayloadRevealed))
    (fact,) = told(edge, PayloadRevealed)
    assert (fact.what, fact.families, fact.reason) == ("export", (one,), "access request 7")
    erased = (await edge.http.post("/api/v1/privacy/exports", json={"task": two, "reason": "what is left"})).json()
    assert (erased["tasks"][0]["input"], erased["tasks"][0]["result"]) == ({"erased": True}, {"erased": True})
    assert await edge.gateway.bus.bucket("idempotency").keys() == []
