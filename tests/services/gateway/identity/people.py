"""Browsers and the people in front of them, for the tests of identity."""

from typing import Any

import httpx

PASSWORD = "seven unrelated words in a row"
OTHER = "another nine words that nobody guesses"
CSRF = {"X-Agentos-CSRF": "1"}


class Browser:
    """A client with a cookie jar that keeps the access token as a page does: in memory."""

    def __init__(self, url: str, **headers: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=60, headers=headers)
        self.token: str | None = None

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def set_up(self, username: str = "ada", password: str = PASSWORD, **more: Any) -> httpx.Response:
        body = {"username": username, "name": "Ada L.", "password": password} | more
        return self._keep(await self.http.post("/api/v1/auth/setup", json=body))

    async def login(self, username: str = "ada", password: str = PASSWORD, **headers: str) -> httpx.Response:
        body = {"username": username, "password": password}
        return self._keep(await self.http.post("/api/v1/auth/login", json=body, headers=headers))

    async def refresh(self, **headers: str) -> httpx.Response:
        return self._keep(await self.http.post("/api/v1/auth/refresh", headers=CSRF | headers))

    async def logout(self) -> httpx.Response:
        return await self.http.post("/api/v1/auth/logout", headers=CSRF)

    async def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        return await self.http.request(method, f"/api/v1/{path}", headers=headers, **given)

    @property
    def cookie(self) -> str:
        return self.http.cookies["agentos_refresh"]

    @cookie.setter
    def cookie(self, value: str) -> None:
        self.http.cookies.clear()
        self.http.cookies.set("agentos_refresh", value, domain="127.0.0.1", path="/api/v1/auth")

    def _keep(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            self.token = response.json()["access_token"]
        return response


async def person(edge: Any, admin: Browser, username: str, *roles: str) -> Browser:
    """Somebody with an account of these roles who has signed in; the caller closes their browser."""
    made = await admin.ask(
        "POST",
        "users",
        json={"username": username, "name": username, "roles": roles, "password": PASSWORD, "must_change": False},
    )
    assert made.status_code == 201, made.text
    browser = Browser(edge.url)
    assert (await browser.login(username)).status_code == 200
    return browser


async def facts(edge: Any, aggregate: str, fact: str) -> list[dict[str, Any]]:
    """The payloads of every such event of the tenant so far, in order."""
    listed = (await edge.http.get("/api/v1/events?limit=200")).json()["items"]
    return [event["data"] for event in listed if event["type"] == f"{aggregate}.{fact}"]
