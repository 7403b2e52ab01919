"""Every route of a whole installation, asked as the OpenAPI document says and otherwise: it answers as documented and never fails."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.installed import ROOT, installation

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_path(ROOT / "ops-console" / "openapi.json")
"""As committed, which `make check` compares with what the gateway says of itself: to ask it takes each process that collects tests seconds."""
OPERATIONS = {f"{op.method.upper()} {op.path}": op for op in (cast("Any", each).ok() for each in SCHEMA.get_all_operations())}
ENDLESS = {"GET /api/v1/events/stream"}
"""Live streams: they answer for as long as somebody listens."""
EXAMPLES = 4
UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def _can_be_named(label: str) -> bool:
    """Whether it is a read of something that there is in ``Whole.ids``, or of nothing in particular."""
    names = {each.name for each in OPERATIONS[label].path_parameters}
    return label.startswith("GET ") and names <= {"task", "user", "key", "switch", "pack", "agent"}


@dataclass(frozen=True)
class Whole:
    """`agentos up`: its address, an administrator's key, and one of each thing that a path can name."""

    url: str
    headers: dict[str, str]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with pytest.MonkeyPatch.context() as patch:
        # The rates have tests of their own; here every answer shall be the route's.
        patch.setenv("AGENTOS_GATEWAY_RATE_PER_S", "0")
        patch.setenv("AGENTOS_GATEWAY_UNKNOWN_RATE_PER_S", "0")
        with installation(tmp_path_factory.mktemp("schema")) as (url, key):
            headers = {"Authorization": f"Bearer {key}"}
            with httpx.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=30, trust_env=False) as api:
                yield Whole(url, headers, _things(api))


def _things(api: httpx.Client) -> dict[str, str]:
    """A task that is over, a person, a key, a switch that was released, and an agent of the demo's pack."""
    task = _made(api.post("tasks", json={"type": "issue-triage", "input": {"title": "Checkout fails with a card"}}))["task"]
    # It may have come to its end before this: either way it settles.
    assert api.post(f"tasks/{task}/cancel", json={"reason": "only looked at"}).status_code in (202, 409)
    person = {"username": "grace", "name": "Grace H.", "roles": ["viewer"], "password": "a long enough password"}
    user = _made(api.post("users", json=person))["id"]
    key = _made(api.post("keys", json={"name": "tracker", "roles": ["viewer"]}))["id"]
    switch = _made(api.post("kill", json={"scope": "pack", "target": "nobodys", "reason": "only looked at"}))["id"]
    _made(api.post(f"kill/{switch}/release", json={"reason": "only looked at"}))
    give_up = time.monotonic() + 60
    while api.get(f"tasks/{task}").json().get("state") != "settled" and time.monotonic() < give_up:
        time.sleep(0.1)
    return {"task": task, "user": user, "key": key, "switch": switch, "pack": "engineering", "agent": "triage"}


def _made(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


@pytest.mark.parametrize("label", sorted(OPERATIONS.keys() - ENDLESS))
def test_a_route_answers_as_documented_whatever_it_is_asked(whole: Whole, label: str) -> None:
    @seed(20261121)
    @settings(
        max_examples=EXAMPLES, derandomize=False, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=UNHURRIED,
    )  # fmt: skip
    @given(case=OPERATIONS[label].as_strategy())
    def ask(case: Any) -> None:
        _check(whole, case)

    ask()


@pytest.mark.parametrize("label", sorted(filter(_can_be_named, OPERATIONS.keys() - ENDLESS)))
def test_what_is_there_is_shown_as_documented(whole: Whole, label: str) -> None:
    """Lists, figures and curves, and what is known of a task: answered with 200, but for signing in elsewhere, which is not set up."""
    operation = OPERATIONS[label]
    names = [each.name for each in operation.path_parameters]
    response = _check(whole, operation.Case(path_parameters={name: whole.ids[name] for name in names}))
    if "/oidc/" not in label and label != "GET /api/v1/audit/proof":
        assert response.status_code in (200, 422), response.text


def _check(whole: Whole, case: Any) -> Any:
    response = case.call(base_url=whole.url, headers=whole.headers, allow_redirects=False, timeout=60)
    case.validate_response(response, checks=CHECKS)
    return response
