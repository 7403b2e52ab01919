"""What the console asks of the rules: those that decide now, and what a candidate would have decided. Asked through ``policy.query``."""

import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field, ValidationError

from agentos.bus import Bus, Route
from agentos.contracts.base import Contract, Json
from agentos.contracts.commands import Answer, Query
from agentos.contracts.envelope import Recorded
from agentos.contracts.errors import AgentOSError, Unavailable
from services.policy import bundles
from services.policy.active import SHIPPED, ActivePolicy
from services.policy.apart import ask_apart
from services.policy.bundles import BundleFault
from services.policy.catalogue import Catalogue
from services.policy.compare import Past, diff, replay
from services.policy.evaluator import Bundle, read_bundle, revision_of
from services.policy.trial import rules_in

DEADLINE = timedelta(seconds=40)
MOST_CHANGES = 500
"""Changes that are told one by one; the rest are counted."""


class PastDecision(Contract):
    """A decision as its event in the log has it."""

    type: str
    id: str
    data: dict[str, Json]


class Backtest(Contract):
    """A candidate, either a signed bundle or another configuration of the rules that decide now, and whom to ask it about."""

    bundle: dict[str, Json] | None = None
    config: dict[str, Json] | None = None
    decisions: tuple[PastDecision, ...] = Field(max_length=5_000)


class Asked:
    """Answers queries about rules."""

    def __init__(self, bus: Bus, active: ActivePolicy) -> None:
        self._bus = bus
        self._active = active
        self._catalogue = Catalogue(bus)

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("policy.query", self.on_query, concurrency=1)]

    async def on_query(self, message: Recorded) -> None:
        """Answer; what is amiss with a candidate is an answer too."""
        query = message.payload(Query)
        _, _, what, request = message.subject.split(".")
        try:
            answer = Answer(ok=True, data=await self._answer(what, query.arguments))
        except BundleFault as fault:
            answer = Answer(ok=False, code=fault.code, detail=fault.detail)
        except ValidationError as bad:
            where = ", ".join(".".join(map(str, each["loc"])) for each in bad.errors(include_input=False))
            answer = Answer(ok=False, code="bad_query", detail=f"this cannot be asked (at: {where[:500]})")
        except Unavailable as fault:
            answer = Answer(ok=False, code=fault.code, detail=fault.detail)
        await self._bus.send("policy.answer", (request,), answer, tenant=query.tenant, cause=message)

    async def _answer(self, what: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        serving = await self._serving()
        if what == "active":
            return self._shown(serving)
        if what != "backtest":
            raise BundleFault(f"There is no query {what!r}.", code="unknown_query")
        asked = Backtest.model_validate(arguments)
        if asked.bundle is not None:
            candidate = bundles.read(asked.bundle).bundle
        else:
            candidate = Bundle(serving.modules, serving.config if asked.config is None else asked.config)
        said = await ask_apart("services.policy.backtesting", [], _packed(candidate, asked.decisions), DEADLINE)
        try:
            verdict: dict[str, Any] = json.loads(said)
        except ValueError:
            raise BundleFault("The rules ended the process that asked them.", code="bundle.uncompilable") from None
        if "code" in verdict:
            raise BundleFault(str(verdict["detail"]), code=str(verdict["code"]))
        between = diff(serving, candidate)
        texts: list[Json] = [
            *({"what": what, "before": before, "after": after} for what, before, after in between.rules),
            *({"what": what, "before": before, "after": after} for what, before, after in between.config),
        ]
        return {**verdict, "revision": revision_of(candidate), "differences": texts}

    async def _serving(self) -> Bundle:
        """The rules that decide now."""
        if self._active.version == SHIPPED:
            return read_bundle()
        listing, _ = await self._catalogue.read()
        published = next((one for one in listing.versions if one.version == self._active.version), None)
        if published is None:
            raise BundleFault("The version that decides is not kept any more: publish it again.", code="bundle.gone")
        return bundles.read(await self._catalogue.document(published)).bundle

    def _shown(self, serving: Bundle) -> dict[str, Json]:
        rules: list[Json] = [
            {"id": rule, "package": package} for package, text in sorted(serving.modules.items()) for rule in rules_in(text)
        ]
        return {"version": self._active.version, "revision": self._active.revision, "rules": rules, "config": serving.config}


def _packed(candidate: Bundle, decisions: tuple[PastDecision, ...]) -> bytes:
    asked = [each.model_dump(mode="json") for each in decisions]
    return json.dumps({"modules": dict(candidate.modules), "config": candidate.config, "decisions": asked}).encode()


def main() -> None:
    """The process of its own: what to ask comes on the standard input, what was said goes to the standard output."""
    # The interpreter prints what it does not understand, wherever it likes.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asked: dict[str, Any] = json.load(sys.stdin)
    with answer:
        json.dump(_replayed(asked), answer)


def _replayed(asked: dict[str, Any]) -> dict[str, Any]:
    pasts = [past for each in asked["decisions"] if (past := Past.of(each["type"], each["id"], each["data"])) is not None]
    try:
        said = replay(pasts, Bundle(asked["modules"], asked["config"]))
    except AgentOSError as fault:
        return {"code": fault.code, "detail": fault.detail}
    changes = [
        {
            "kind": change.past.kind, "id": change.past.id, "whom": change.past.whom, "was": change.past.verdict,
            "becomes": change.verdict, "reasons": change.reasons, "rules_then": change.past.rules, "rules": change.rules,
        }
        for change in said.changes[:MOST_CHANGES]
    ]  # fmt: skip
    return {"asked": said.asked, "unanswerable": said.unanswerable, "changed": len(said.changes), "changes": changes}


if __name__ == "__main__":
    main()


__all__ = ["Asked", "Backtest", "PastDecision"]
