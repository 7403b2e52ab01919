"""The evaluator that asks an OPA server over HTTP (opa-python-client), and loads its rules into that server.

The server may be shared, by several instances and for a moment by two bundles: each bundle lives in a package and a data document of its own,
named by its revision (``agentos_<revision>``). So a swap is no moment at which half of the old and half of the new rules answer: the
new ones are loaded whole and read back before the first question goes to them.
"""

import asyncio
import re
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, cast
from urllib.parse import quote, urlsplit

import aiohttp
import structlog
from opa_client import AsyncOpaClient
from opa_client.errors import DeleteDataError, DeletePolicyError, PolicyNotFoundError, RegoParseError

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.evaluator import Bundle, decision_from, revision_of, undefined
from services.policy.questions import Decision, Question
from services.policy.rego_source import reached_from, words_of

log = structlog.get_logger(__name__)

KEPT = 3
"""Bundles that stay on the server: instances that are still at the former one go on asking it."""
LOAD_WITHIN = timedelta(seconds=10)

_OURS = re.compile(r"\b(?P<before>package\s+|data\.)agentos\b")
_CONFIG = re.compile(r"\bdata\.config\b")


_UNDEFINED: Any = object()


class OpaEvaluator:
    """Answers from the rules that it loaded into the server at ``url``. Make one with ``await OpaEvaluator.connect(url, bundle)``.

    No retries: a question that is not answered within ``answer_within`` is not answered, and its message comes again. What stands on the
    server is compared with the bundle at the start and whenever the last look is older than ``look_every``; where it differs (a server that
    was started anew, a hand that changed it) it is loaded again before anything is asked.
    """

    def __init__(
        self, client: Any, stack: AsyncExitStack, bundle: Bundle, answer_within: timedelta, look_every: timedelta
    ) -> None:
        self._client = client
        self._stack = stack
        self._revision = revision_of(bundle)
        self._space = f"agentos_{self._revision[:16]}"
        self._modules = {f"{self._space}.{name}": _moved(source, self._space) for name, source in bundle.modules.items()}
        words = {name: words_of(source) for name, source in self._modules.items()}
        # The server compiles all it holds at each module, and refuses one that needs another: each is given after those that it needs.
        self._modules = dict(sorted(self._modules.items(), key=lambda module: len(reached_from(words, module[0]))))
        self._config = bundle.config
        self._answer_within_s = answer_within.total_seconds()
        self._look_every_s = look_every.total_seconds()
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def connect(
        cls,
        url: str,
        bundle: Bundle,
        *,
        token: str | None = None,
        answer_within: timedelta = timedelta(milliseconds=500),
        look_every: timedelta = timedelta(seconds=10),
    ) -> "OpaEvaluator":
        """Connect to ``http(s)://host:port``, load ``bundle`` and see that it stands there.

        ``answer_within`` bounds every request as a whole. Raises ``Unavailable`` when the server does not answer or take the rules, and
        ``ValueError`` for a URL of another form.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("The OPA server's URL must be http(s)://host:port, without a path.")
        tls = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = parts.port or (443 if tls else 8181)
        stack = AsyncExitStack()
        client: Any = AsyncOpaClient(host=host, port=port, ssl=tls, token=token, retries=0, timeout=LOAD_WITHIN.total_seconds())
        await stack.enter_async_context(client)
        evaluator = cls(client, stack, bundle, answer_within, look_every)
        try:
            await evaluator._ensure_loaded()
            await evaluator._remove_former()
        except BaseException:
            await stack.aclose()
            raise
        return evaluator

    @property
    def revision(self) -> str:
        """See ``PolicyEvaluator.revision``."""
        return self._revision

    async def decide(self, question: Question) -> Decision:
        """See ``PolicyEvaluator.decide``."""
        if self._closed:
            raise Unavailable("The policy evaluator is closed.", code="policy.closed")
        looked_at = await self._look_again()
        answer = await self._query(question)
        if answer is _UNDEFINED and looked_at == self._looked_at:
            # A server that was started anew has no rules: it is given them before this counts as undefined.
            self._looked_at = float("-inf")
            await self._look_again()
            answer = await self._query(question)
        if answer is _UNDEFINED:
            raise undefined(question.package)
        return decision_from(answer, self._revision)

    async def _query(self, question: Question) -> Json:
        """What the rule says, or ``_UNDEFINED``."""
        package = f"{self._space}/{question.package.removeprefix('agentos/')}"
        body: Any = await self._ask(
            self._client.query_rule(question.model_dump(mode="json"), package, "decision"), self._answer_within_s
        )
        try:
            return body.get("result", _UNDEFINED)
        except AttributeError as error:
            raise Unavailable("The OPA server's answer is not an object.", code="policy.nonsense") from error

    async def close(self) -> None:
        """See ``PolicyEvaluator.close``. The rules stay on the server, for other instances may ask them."""
        self._closed = True
        if self._looking is not None:
            # It ends within its time-outs; cancelling it would cancel those who wait for it.
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._stack.aclose()

    # --- loading ------------------------------------------------------------------------------------------------------

    async def _look_again(self) -> float:
        """See that the rules stand there, unless that was seen lately; when it was seen last."""
        if time.monotonic() - self._looked_at <= self._look_every_s:
            return self._looked_at
        # One look for all who wait, so that questions do not queue behind each other's time-outs.
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._ensure_loaded())
        await asyncio.shield(self._looking)
        return self._looked_at

    async def _ensure_loaded(self) -> None:
        if not await self._stands():
            log.info("opa_loading", revision=self._revision)
            await self._load()
            if not await self._stands():
                raise Unavailable("The OPA server does not hold the rules that it was given.", code="policy.nonsense")
        self._looked_at = time.monotonic()

    async def _stands(self) -> bool:
        """Whether the server holds exactly this bundle in its place."""
        try:
            for name, source in self._modules.items():
                policy = await self._ask(self._client.get_policy(_id(name)), self._answer_within_s)
                if policy["result"]["raw"] != source:
                    return False
            return (await self._ask(self._client.get_data(f"{self._space}/config"), self._answer_within_s))[
                "result"
            ] == self._config
        except _Missing:
            return False
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable("The OPA server's list of policies is not one.", code="policy.nonsense") from error

    async def _load(self) -> None:
        await self._ask(self._client.update_or_create_data(self._config, f"{self._space}/config"))
        await self._ask(self._client.update_or_create_data({"at": time.time()}, f"{self._space}/loaded"))

        async def put(name: str) -> None:
            await self._ask(self._client.update_policy_from_string(self._modules[name], _id(name), False))

        await _in_any_order(list(self._modules), put)

    async def _remove_former(self) -> None:
        """Of our bundles, leave the newest on the server. What cannot be removed does no harm."""
        try:
            ids = [str(name) for name in await self._ask(self._client.get_policies_list())]
            spaces: dict[str, float] = {}
            for space in {name.split(".")[0] for name in ids if name.startswith("agentos_")} - {self._space}:
                loaded = await self._ask(self._client.get_data(f"{space}/loaded"))
                spaces[space] = float(loaded["result"]["at"])
            for space in sorted(spaces, key=lambda each: spaces[each])[: -(KEPT - 1)]:
                await self._remove(space, [name for name in ids if name.startswith(f"{space}.")])
        except (Unavailable, KeyError, TypeError, ValueError) as fault:
            log.info("opa_not_tidied", fault=str(fault)[:200])

    async def _remove(self, space: str, ids: list[str]) -> None:
        # Bundles differ little in what their modules need: the order of ours, backwards, is mostly that of theirs.
        places = {name.partition(".")[2]: place for place, name in enumerate(self._modules)}
        ids = sorted(ids, key=lambda name: places.get(name.partition(".")[2], len(places)), reverse=True)

        async def delete(name: str) -> None:
            await self._ask(self._client.delete_policy(_id(name)))

        await _in_any_order(ids, delete)
        await self._ask(self._client.delete_data(space))
        log.info("opa_bundle_removed", space=space)

    async def _ask(self, request: Any, within_s: float = LOAD_WITHIN.total_seconds()) -> Any:
        try:
            async with asyncio.timeout(within_s):
                return await request
        except TimeoutError as error:
            raise Unavailable("The OPA server did not answer in time.", code="policy.timeout") from error
        except PolicyNotFoundError as error:
            raise _Missing("The OPA server does not have what was asked for.", code="policy.error") from error
        except (RegoParseError, DeletePolicyError, DeleteDataError) as error:
            raise _NotTaken(f"The OPA server does not take it: {type(error).__name__}", code="policy.uncompilable") from error
        except (aiohttp.ClientError, OSError, ValueError, AttributeError, TypeError, KeyError) as error:
            # ValueError: a body that is not JSON; the last three: JSON of a shape that the client does not expect.
            raise Unavailable(f"The OPA server cannot be asked: {type(error).__name__}", code="policy.error") from error


class _Missing(Unavailable):
    """There is no such policy or document."""


class _NotTaken(Unavailable):
    """Perhaps only not yet: a module needs another one first."""


async def _in_any_order(names: list[str], act: Any) -> None:
    """Do ``act`` on each; one that is refused because of another is tried again after it. Raises the last refusal when none goes."""
    left = names
    while left:
        again: list[str] = []
        refusal: _NotTaken | None = None
        for name in left:
            try:
                await act(name)
            except _NotTaken as fault:
                refusal = fault
                again.append(name)
        if refusal is not None and len(again) == len(left):
            raise refusal
        left = again


def _moved(source: str, space: str) -> str:
    """A module in the bundle's own place: every package, rule and datum of ours that it names is that of this bundle."""
    moved = _OURS.sub(lambda found: cast("str", found["before"]) + space, source)
    return _CONFIG.sub(f"data.{space}.config", moved)


def _id(name: str) -> str:
    return quote(name, safe="")


__all__ = ["OpaEvaluator"]
