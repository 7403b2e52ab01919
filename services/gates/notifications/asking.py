"""What the console asks about notifications: who is told of what, and whether a target can be reached. Asked through ``gates.query``."""

from datetime import UTC, datetime

from agentos.bus import Bus, Route
from agentos.contracts.base import Json, Token
from agentos.contracts.commands import Answer, Query
from agentos.contracts.envelope import Recorded
from services.gates.answers import answer_command
from services.gates.domain.notifications import trial
from services.gates.notifications.sending import Sender
from services.gates.notifications.targets import SmtpTarget, Targets, WebhookTarget


class NotificationQueries:
    """Answers queries. No secret and no recipient's address is in an answer: a mail target is shown by its server and roles."""

    def __init__(self, bus: Bus, targets: Targets, sender: Sender) -> None:
        self._bus = bus
        self._targets = targets
        self._sender = sender

    def routes(self) -> list[Route]:
        """The handler table."""
        return [Route("gates.query", self.on_query, concurrency=4)]

    async def on_query(self, message: Recorded) -> None:
        """Answer once."""
        query = message.payload(Query)
        _, _, what, request = message.subject.split(".")
        match what:
            case "targets":
                told: list[Json] = [await self._shown(query.tenant, target) for target in self._own(query.tenant)]
                answer = Answer(ok=True, data={"targets": told})
            case "try-target":
                answer = await self._tried(query.tenant, str(query.arguments.get("name")), request)
            case _:
                answer = Answer(ok=False, code="unknown_query", detail=f"there is no query {what!r}")
        await answer_command(self._bus, message, answer)

    def _own(self, tenant: Token) -> list[WebhookTarget | SmtpTarget]:
        return [target for target in self._targets.all if target.tenant in (None, tenant)]

    async def _shown(self, tenant: Token, target: WebhookTarget | SmtpTarget) -> Json:
        disabled = await self._bus.get(f"evt.{tenant}.target.{target.address_id}.disabled") is not None
        events: list[Json] = [str(event) for event in target.events]
        if isinstance(target, SmtpTarget):
            roles: list[Json] = [str(role) for role in sorted(target.to)]
            return {
                "name": target.name,
                "transport": "smtp",
                "address": f"{target.host}:{target.port}",
                "events": events,
                "roles": roles,
                "disabled": disabled,
            }
        # Such addresses carry their secret in the path or the query.
        host = target.url.partition("://")[2].partition("/")[0]
        return {
            "name": target.name,
            "transport": "webhook",
            "address": host,
            "events": events,
            "roles": [],
            "disabled": disabled,
        }

    async def _tried(self, tenant: Token, name: str, request: str) -> Answer:
        target = next((each for each in self._own(tenant) if each.name == name), None)
        if target is None:
            return Answer(ok=False, code="not_found", detail="there is no notification target of this name")
        roles = tuple(sorted(target.to)) if isinstance(target, SmtpTarget) else ()
        now = datetime.now(UTC)
        notice = trial(tenant, roles, now, self._targets.link)
        if isinstance(target, SmtpTarget):
            attempt = await self._sender.mail(target, request, notice, now)
        else:
            attempt = await self._sender.post(target, request, notice)
        return Answer(
            ok=True, data={"ok": attempt.ok, "code": attempt.code, "detail": attempt.detail, "status": attempt.status}
        )


__all__ = ["NotificationQueries"]
