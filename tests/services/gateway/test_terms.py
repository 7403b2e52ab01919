"""Changing a task that has not ended: only by who has seen what they change, and once under a key."""

import asyncio
from typing import Any

import httpx

from agentos.contracts.events.task import TaskUpdated
from tests.services.gateway.test_api import known, submitted


async def tagged(edge: Any) -> tuple[str, str]:
    """A task's path and the tag of its terms."""
    task = await submitted(edge)
    await known(edge, task)
    path = f"/api/v1/tasks/{task}"
    return path, (await edge.http.get(path)).headers["ETag"]


async def test_a_change_answers_with_the_new_terms_and_their_tag_and_a_read_right_after_has_them(edge: Any) -> None:
    path, tag = await tagged(edge)
    changed = await edge.http.patch(path, json={"priority": "high", "labels": {"team": "billing"}}, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert changed.json()["revision"] == 1
    assert (changed.json()["priority"], changed.json()["labels"]) == ("high", {"team": "billing"})
    read = await edge.http.get(path)
    assert read.headers["ETag"] == changed.headers["ETag"] != tag
    assert (read.json()["priority"], read.json()["revision"]) == ("high", 1)
    [command] = edge.backend.orchestrator.other
    assert (command.revision, command.no_deadline, command.by.id) == (0, False, "admin")


async def test_a_task_with_a_deadline_is_shown_with_it(edge: Any) -> None:
    path, tag = await tagged(edge)
    await edge.http.patch(path, json={"deadline": "2126-01-31T12:00:00+02:00"}, headers={"If-Match": tag})
    shown = await edge.http.get(path)
    assert shown.status_code == 200, shown.text
    assert shown.json()["deadline"] == "2126-01-31T12:00:00+02:00"


TAGS: tuple[tuple[dict[str, str], int, str | None], ...] = (
    ({}, 428, "if_match_needed"),
    ({"If-Match": '"another"'}, 412, "stale"),
    ({"If-Match": "W/{tag}"}, 412, "stale"),
    ({"If-Match": ""}, 412, "stale"),
    ({"If-Match": '{tag}, "x"'}, 200, None),
    ({"If-Match": "*"}, 200, None),
)


async def test_only_the_tag_of_what_stands_lets_a_change_in(edge: Any) -> None:
    path, tag = await tagged(edge)
    for sent, status, code in TAGS:
        before = len(edge.backend.orchestrator.other)
        headers = {name: value.replace("{tag}", tag) for name, value in sent.items()}
        answer = await edge.http.patch(path, json={"priority": "high"}, headers=headers)
        assert (answer.status_code, answer.json().get("code")) == (status, code), (sent, answer.text)
        assert len(edge.backend.orchestrator.other) - before == (status == 200)
        tag = (await edge.http.get(path)).headers["ETag"]


async def test_of_two_changes_of_the_same_thing_one_is_told_that_the_other_was_first(edge: Any) -> None:
    path, tag = await tagged(edge)
    both = [edge.http.patch(path, json={"priority": wanted}, headers={"If-Match": tag}) for wanted in ("high", "low")]
    answers: list[httpx.Response] = await asyncio.gather(*both)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    again = await edge.http.patch(path, json={"priority": "low"}, headers={"If-Match": tag})
    assert (again.status_code, again.json()["code"]) == (412, "stale")


async def test_under_an_idempotency_key_a_change_is_made_once_and_answered_twice(edge: Any) -> None:
    path, tag = await tagged(edge)
    headers = {"If-Match": tag, "Idempotency-Key": "change-1"}
    first, second = [await edge.http.patch(path, json={"priority": "high"}, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (second.json(), second.headers["ETag"]) == (first.json(), first.headers["ETag"])
    events = await edge.gateway.bus.load("default", "task", path.rpartition("/")[2])
    assert sum(isinstance(event.data, TaskUpdated) for event in events) == 1


UNCHANGEABLE: tuple[dict[str, Any], ...] = (
    {}, {"priority": None}, {"labels": None}, {"max_attempts": 0}, {"state": "settled"}, {"deadline": "tomorrow"}, {"type": "other"},
)  # fmt: skip


async def test_what_cannot_be_changed_is_refused_with_its_field(edge: Any) -> None:
    path, tag = await tagged(edge)
    for body in UNCHANGEABLE:
        answer = await edge.http.patch(path, json=body, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body
    assert edge.backend.orchestrator.other == []


async def test_a_deadline_is_taken_away_by_null_and_only_by_that(edge: Any) -> None:
    path, tag = await tagged(edge)
    await edge.http.patch(path, json={"deadline": None}, headers={"If-Match": tag})
    assert edge.backend.orchestrator.other[-1].no_deadline is True


async def test_a_task_that_is_not_there_cannot_be_changed(edge: Any) -> None:
    answer = await edge.http.patch("/api/v1/tasks/nobodys", json={"priority": "high"}, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
