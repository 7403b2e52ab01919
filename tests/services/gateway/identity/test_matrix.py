"""Every route, for every role and tenant, as the OpenAPI document lists them: a new one is tried by itself, or fails for want of a rule."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from services.gateway.app import create_api
from services.gateway.authorizer import ACTIONS, ROLES, Role, role_table
from services.gateway.identity.signin import Whence
from tests.services.gateway.standins import ADMIN
from tests.services.gateway.test_api import known, submitted

OPEN = {
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"),
    ("GET", "/api/v1/auth/setup"),
    ("POST", "/api/v1/auth/setup"),
    ("GET", "/api/v1/auth/oidc/start"),
    ("GET", "/api/v1/auth/oidc/callback"),
}
"""Whoever adds to these opens the gateway to strangers: think twice."""
OWN = {
    ("GET", "/api/v1/auth/me"),
    ("POST", "/api/v1/auth/password"),
    ("GET", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/{session}"),
}
"""About the caller alone, whatever their roles."""
WITHOUT_RULE = {("POST", "/api/v1/webhooks/{source}"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}
"""Webhooks show a signature; the rest is for orchestrators and collectors."""


def routes() -> list[tuple[str, str, str | None]]:
    """Method, path and what it asks of its callers."""
    document = create_api().openapi()
    return [
        (method.upper(), path, operation.get("x-agentos-access"))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_has_a_rule_and_the_open_ones_are_those_that_are_meant() -> None:
    by_access: dict[str | None, set[tuple[str, str]]] = {}
    for method, path, access in routes():
        by_access.setdefault(access, set()).add((method, path))
    assert by_access.pop("anyone") == OPEN
    assert by_access.pop("signed-in") == OWN
    assert by_access.pop(None) == WITHOUT_RULE
    assert by_access.keys() <= set(ACTIONS)


@asynccontextmanager
async def somebody(edge: Any, tenant: str, *roles: Role) -> AsyncGenerator[httpx.AsyncClient]:
    """A person of these roles, signed in."""
    users, sign_in = edge.gateway.identity.users, edge.gateway.identity.sign_in
    user = await users.create(f"{'-'.join(roles)}.{tenant}", "Somebody", tenant, roles, None, ADMIN)
    made = await sign_in.let_in(user, "password", Whence("127.0.0.1", "test"))
    headers = {"Authorization": f"Bearer {made.access_token}"}
    async with httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=60) as client:
        yield client


def filled(path: str, ids: dict[str, str]) -> str:
    for name, id_ in ids.items():
        path = path.replace(f"{{{name}}}", id_)
    assert "{" not in path, f"{path}: say in this test which one of ours another tenant must not see"
    return path


NOBODYS: dict[str, str] = dict.fromkeys(
    (
        "task",
        "approval",
        "delegation",
        "switch",
        "call",
        "key",
        "erasure",
        "user",
        "session",
        "agent",
        "pack",
        "view",
        "source",
        "target",
    ),
    "xnobodysx",
) | {"letter": "999999"}


async def test_each_route_lets_in_exactly_the_roles_that_have_its_action(edge: Any) -> None:
    """403 for the others; what comes after the door (404, 422 …) is another matter."""
    for role in ROLES:
        async with somebody(edge, "default", role) as client:
            for method, path, access in routes():
                if access in (None, "anyone") or path.endswith("/stream"):
                    continue
                answer = await client.request(method, filled(path, NOBODYS))
                allowed = access == "signed-in" or access in role_table()[role]
                assert (answer.status_code != 403) == allowed, (role, method, path, answer.text)
                assert answer.status_code < 500, (role, method, path, answer.text)


async def test_nobody_gets_in_without_a_key_or_token(edge: Any) -> None:
    edge.gateway.identity.unknown_rates._per_s = 0
    async with httpx.AsyncClient(base_url=edge.url, timeout=60) as client:
        for method, path, access in routes():
            if access in (None, "anyone"):
                continue
            answer = await client.request(method, filled(path, NOBODYS))
            assert (answer.status_code, answer.json()["code"]) == (401, "key_missing"), (method, path)


async def test_what_is_another_tenants_is_not_there_for_any_role(edge: Any) -> None:
    """Each thing that a path can name exists in one tenant and is asked for by an all-powerful person of another."""
    task = await submitted(edge)
    await known(edge, task)
    switch = (await edge.http.post("/api/v1/kill", json={"scope": "pack", "target": "p", "reason": "odd"})).json()["id"]
    async with somebody(edge, "default", "admin"), somebody(edge, "other", *ROLES) as stranger:
        [user] = edge.gateway.identity.users.list("default")
        [session] = edge.gateway.identity.sessions.of(user.id)
        ours = NOBODYS | {
            "task": task, "approval": "appr1", "switch": switch, "call": "call1", "key": "admin", "user": user.id, "session": session.id,
        }  # fmt: skip
        for method, path, access in routes():
            if access in (None, "anyone") or "{" not in path or method != "GET":
                continue  # what changes something is tried in tests/services/gateway/test_tenants.py
            answer = await stranger.get(filled(path, ours))
            nothing = answer.status_code == 200 and answer.json().get("items") == []
            assert answer.status_code == 404 or nothing, (path, answer.text)
        for path in (
            "tasks",
            "keys",
            "users",
            "users/names",
            "sessions?all=true",
            "kill",
            "delegations",
            "policy/decisions",
            "events",
        ):
            items = (await stranger.get(f"/api/v1/{path}")).json()["items"]
            assert not {task, switch, user.id, session.id, "admin"} & {str(each.get("id")) for each in items}, path
