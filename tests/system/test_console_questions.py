"""What the console asks beside the ledger: sources, targets, models, routing, backtests. Over HTTP, of a whole installation."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from agentos.bus.server import free_port
from tests.installed import ROOT, installation

ISSUE: dict[str, Any] = json.loads((ROOT / "packs/engineering/examples/issues.opened.json").read_text())
ROUTING = "aliases:\n  default: [simulated/reader-1]\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The admin's client of an installation with a webhook source and a notification target that nobody listens at."""
    data = tmp_path_factory.mktemp("questions")
    (data / "secret").touch(mode=0o600)
    (data / "secret").write_text("a secret of the tracker's, long enough")
    source = {"kind": "github", "secret_file": str(data / "secret"), "events": {"issues.opened": "issue-triage"}}
    (data / "sources.json").write_text(json.dumps({"tracker": source}))
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    target = {"name": "desk", "url": f"http://127.0.0.1:{free_port()}/a-secret-path", "secrets": [secret]}
    (data / "notifications.json").touch(mode=0o600)
    (data / "notifications.json").write_text(json.dumps({"webhooks": [target]}))
    files = {"AGENTOS_GATEWAY_SOURCES_FILE": "sources.json", "AGENTOS_GATES_NOTIFICATIONS_FILE": "notifications.json"}
    environ = {name: str(data / file) for name, file in files.items()}
    with installation(data, **environ) as (url, key):
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=60, trust_env=False) as client:
            yield client


@pytest.fixture(scope="module")
def task(api: httpx.Client) -> str:
    """A task that the source's test made, whose reply waits for a person."""
    made = api.post("webhook-sources/tracker/test", json={"event": "issues.opened", "body": ISSUE})
    assert (made.status_code, made.json()["verified"]) == (200, True), made.text
    found: str = made.json()["task"]
    shown(api, f"tasks/{found}", lambda row: row["state"] == "waiting" and bool(row["approvals"]))
    return found


def shown(api: httpx.Client, path: str, holds: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 240
    while True:
        answer = api.get(path)
        if answer.is_success and holds(answer.json()):
            return answer.json()
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def test_a_source_is_listed_without_its_secret_and_what_it_is_not_set_up_for_is_ignored(api: httpx.Client) -> None:
    [source] = api.get("webhook-sources").json()["items"]
    assert (source["name"], source["path"], source["events"]) == (
        "tracker", "/api/v1/webhooks/tracker", {"issues.opened": "issue-triage"},
    )  # fmt: skip
    assert "long enough" not in json.dumps(source)
    ignored = api.post("webhook-sources/tracker/test", json={"event": "issues.closed", "body": ISSUE})
    assert (ignored.status_code, ignored.json()["ignored"], ignored.json()["task"]) == (200, True, None)
    assert api.post("webhook-sources/nobody/test", json={"event": "x"}).json()["code"] == "unknown_source"


def test_the_task_of_a_test_is_the_sources_own(api: httpx.Client, task: str) -> None:
    """So whoever tests a source may approve what comes of it."""
    row = api.get(f"tasks/{task}").json()
    assert (row["requester"], row["labels"]["source"]) == ("tracker", "tracker")


def test_a_target_is_shown_by_its_host_alone_and_a_test_says_what_it_met(api: httpx.Client) -> None:
    [target] = api.get("notification-targets").json()["items"]
    assert (target["name"], target["transport"], target["disabled"]) == ("desk", "webhook", False)
    assert "secret" not in json.dumps(target)
    tried = api.post("notification-targets/desk/test").json()
    assert (tried["ok"], tried["status"]) == (False, None)
    assert tried["code"]
    assert api.post("notification-targets/nobody/test").status_code == 404


def test_models_show_what_is_served_how_it_behaved_and_why_a_call_went_there(api: httpx.Client, task: str) -> None:
    assert api.get("models/served").json()["catalogue"] is not None
    targets = shown(api, "models/targets", lambda told: bool(told["items"]))
    [target] = targets["items"]
    assert (target["target"], target["failed"]) == ("simulated/reader-1", 0)
    assert sum(target["durations"]) == target["attempts"] == target["completed"]
    recent = api.get("calls/recent").json()["items"]
    assert {each["target"] for each in recent} == {"simulated/reader-1"}
    why = api.get(f"calls/{recent[0]['call']}/routing").json()
    assert (why["settled"], why["outcome"], len(why["attempts"])) == (True, "completed", 1)
    assert api.get("calls/nobodys/routing").status_code == 404


def test_a_candidate_configuration_gets_the_recorded_calls_or_is_refused_in_words(api: httpx.Client, task: str) -> None:
    calls = len(api.get("calls/recent").json()["items"])
    told = api.post("models/simulate", json={"configuration": ROUTING, "last": 100})
    assert told.is_success, told.text
    assert {(row["was"]["calls"], row["becomes"]["completed"]) for row in told.json()["rows"]} == {(calls, calls)}
    for bad in ("aliases: [", "\x06\x02", "since: 2020-99-99"):
        refused = api.post("models/simulate", json={"configuration": bad, "last": 100})
        assert (refused.status_code, refused.json()["code"]) == (409, "configuration.refused"), refused.text


def test_a_backtest_shows_whom_another_configuration_would_have_stopped(api: httpx.Client, task: str) -> None:
    active = api.get("policy/active").json()
    assert {"model_call.allow"} <= {rule["id"] for rule in active["rules"]} or active["rules"]
    same = api.post("policy/backtest", json={"config": active["config"]}).json()
    assert (same["changed"], same["unanswerable"], same["differences"]) == (0, 0, [])
    assert same["asked"] >= 3
    roles = {name: actions for name, actions in active["config"]["roles"].items() if name != "operator"}
    stricter = {**active["config"], "roles": roles, "task_types": {}}
    told = api.post("policy/backtest", json={"config": stricter})
    assert told.is_success, told.text
    assert told.json()["differences"]
    both = api.post("policy/backtest", json={"config": {}, "bundle": {}})
    assert both.status_code == 422


def test_the_packs_page_and_a_decision_can_be_read(api: httpx.Client, task: str) -> None:
    [pack] = api.get("packs").json()["items"]
    assert pack["name"] == "engineering"
    decisions = shown(api, "policy/decisions", lambda told: len(told["items"]) >= 3)["items"]
    assert {each["data"]["verdict"] for each in decisions} == {"allow", "hold"}


def test_a_waiting_task_is_changed_by_who_has_seen_it_and_an_ended_one_is_not(api: httpx.Client, task: str) -> None:
    tag = api.get(f"tasks/{task}").headers["ETag"]
    assert api.patch(f"tasks/{task}", json={"priority": "high"}).json()["code"] == "if_match_needed"
    changed = api.patch(f"tasks/{task}", json={"priority": "high", "labels": {"team": "billing"}}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["revision"]) == (200, 1), changed.text
    stale = api.patch(f"tasks/{task}", json={"priority": "low"}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    found = shown(api, "tasks?q=billing", lambda told: bool(told["items"]))
    assert [(row["id"], row["priority"]) for row in found["items"]] == [(task, "high")]
    assert api.post(f"tasks/{task}/cancel", json={"reason": "only looked at"}).status_code == 202
    shown(api, f"tasks/{task}", lambda row: row["state"] == "settled")
    over = api.patch(f"tasks/{task}", json={"priority": "low"}, headers={"If-Match": changed.headers["ETag"]})
    assert (over.status_code, over.json()["code"]) == (409, "already_settled")
