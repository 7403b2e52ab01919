"""The evaluator that asks an OPA server over HTTP (opa-python-client)."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from opa_client import AsyncOpaClient
from opa_client.errors import PolicyNotFoundError

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.evaluator import Bundle, decision_from, package_of, revision_of, undefined
from services.policy.questions import Decision, Question


class OpaEvaluator:
    """Answers from the rules that the server at ``url`` holds. Make one with ``await OpaEvaluator.connect(url)``.

    No retries: a question that is not answered within ``answer_within`` is not answered, and its message comes again. The revision is read from
    the server's own rules and data, at the start and again when it is older than ``revision_ttl``, because the server may load a new
    bundle at any time.
    """

    def __init__(self, client: Any, stack: AsyncExitStack, answer_within: timedelta, revision_ttl: timedelta) -> None:
        self._client = client
        self._stack = stack
        self._answer_within_s = answer_within.total_seconds()
        self._revision_ttl_s = revision_ttl.total_seconds()
        self._revision = ""
        self._revision_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        token: str | None = None,
        answer_within: timedelta = timedelta(milliseconds=500),
        revision_ttl: timedelta = timedelta(seconds=10),
    ) -> "OpaEvaluator":
        """Connect to ``http(s)://host:port`` and read the revision.

        ``answer_within`` bounds every request as a whole. Raises ``Unavailable`` when the server does not answer or holds no rules, and
        ``ValueError`` for a URL of another form.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("The OPA server's URL must be http(s)://host:port, without a path.")
        tls = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = parts.port or (443 if tls else 8181)
        stack = AsyncExitStack()
        client: Any = AsyncOpaClient(
            host=host, port=port, ssl=tls, token=token, retries=0, timeout=answer_within.total_seconds()
        )
        await stack.enter_async_context(client)
        evaluator = cls(client, stack, answer_within, revision_ttl)
        try:
            await evaluator._read_revision()
        except BaseException:
            await stack.aclose()
            raise
        return evaluator

    @property
    def revision(self) -> str:
        """See ``PolicyEvaluator.revision``; as last read from the server."""
        return self._revision

    async def decide(self, question: Question) -> Decision:
        """See ``PolicyEvaluator.decide``."""
        if self._closed:
            raise Unavailable("The policy evaluator is closed.", code="policy.closed")
        await self._freshen_revision()
        body: Any = await self._ask(self._client.query_rule(question.model_dump(mode="json"), question.package, "decision"))
        try:
            answer: Json = body["result"]
        except KeyError:
            raise undefined(question.package) from None
        except TypeError as error:
            raise Unavailable("The OPA server's answer is not an object.", code="policy.nonsense") from error
        return decision_from(answer, self._revision)

    async def close(self) -> None:
        """See ``PolicyEvaluator.close``."""
        self._closed = True
        if self._reading is not None:
            # It ends within its time-outs; cancelling it would cancel those who wait for it.
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._stack.aclose()

    async def _freshen_revision(self) -> None:
        if time.monotonic() - self._revision_at <= self._revision_ttl_s:
            return
        # One reading for all who wait, so that questions do not queue behind each other's time-outs.
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_revision())
        await asyncio.shield(self._reading)

    async def _read_revision(self) -> None:
        ids: Any = await self._ask(self._client.get_policies_list())
        modules: dict[str, str] = {}
        try:
            for name in sorted(ids):
                policy = await self._ask(self._client.get_policy(quote(name, safe="")))
                source = policy["result"]["raw"]
                package = package_of(source)
                if not package.endswith("_test"):
                    modules[package] = source
            config = (await self._ask(self._client.get_data("config")))["result"]
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable("The OPA server's list of policies is not one.", code="policy.nonsense") from error
        if not modules:
            raise Unavailable("The OPA server holds no rules.", code="policy.bundle_empty")
        self._revision = revision_of(Bundle(modules, config))
        self._revision_at = time.monotonic()

    async def _ask(self, request: Any) -> Any:
        try:
            async with asyncio.timeout(self._answer_within_s):
                return await request
        except TimeoutError as error:
            raise Unavailable("The OPA server did not answer in time.", code="policy.timeout") from error
        except (aiohttp.ClientError, OSError, PolicyNotFoundError, ValueError, AttributeError, TypeError) as error:
            # ValueError: a body that is not JSON; the last two: JSON of a shape that the client does not expect.
            raise Unavailable(f"The OPA server cannot be asked: {type(error).__name__}", code="policy.error") from error


__all__ = ["OpaEvaluator"]
