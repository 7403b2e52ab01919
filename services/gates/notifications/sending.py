"""One attempt at telling one target: a signed webhook, or a mail. No redirect is followed, and no answer's body is read."""

import asyncio
import json
import smtplib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from services.gates.domain.notifications import Notice
from services.gates.notifications.targets import SmtpTarget, WebhookTarget

GONE = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it. ``code`` is empty when the target has taken it."""

    code: str = ""
    detail: str = ""
    status: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the target has taken it."""
        return not self.code


def signed(target: WebhookTarget, id_: str, body: str, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks 1.0: one signature a secret."""
    signatures = [Webhook(secret.get_secret_value()).sign(id_, now, body) for secret in target.secrets]
    return {
        "content-type": "application/json",
        "user-agent": "AgentOS",
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class Sender:
    """The connections. ``close`` at the end."""

    def __init__(self, timeout: timedelta) -> None:
        self._timeout_s = timeout.total_seconds()
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Let go of what is kept open."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def post(self, target: WebhookTarget, id_: str, notice: Notice) -> Attempt:
        """Post it. Only the status counts."""
        if self._http is None:
            # The environment's proxies are not asked: nothing goes anywhere but to the target.
            self._http = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=self._timeout_s)
        body = json.dumps(notice.body, separators=(",", ":"), ensure_ascii=False)
        headers = signed(target, id_, body, datetime.now(UTC))
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._http.stream("POST", target.url, content=body.encode(), headers=headers) as response:
                    status = response.status_code
        except TimeoutError:
            return Attempt("timeout", f"no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            return Attempt("unreachable", f"no connection ({type(fault).__name__})")
        if 200 <= status < 300:
            return Attempt(status=status)
        if status == GONE:
            return Attempt("gone", "the target says that it is gone", status)
        mend = "; redirects are not followed: configure the final address" if 300 <= status < 400 else ""
        return Attempt(f"status_{status}", f"the target answered {status}{mend}", status)

    async def mail(self, target: SmtpTarget, id_: str, notice: Notice, sent_at: datetime) -> Attempt:
        """Mail it to everyone concerned. It counts as taken when the server takes it for one of them."""
        message = letter(target, id_, notice, sent_at)
        try:
            refused = await asyncio.to_thread(self._submit, target, message)
        except smtplib.SMTPResponseException as said:
            return Attempt(f"smtp_{said.smtp_code}", f"the mail server answered {said.smtp_code}", said.smtp_code)
        except smtplib.SMTPRecipientsRefused:
            return Attempt("recipients_refused", "the mail server takes none of the recipients")
        except (smtplib.SMTPException, OSError) as fault:
            return Attempt("unreachable", f"the mail server could not be used ({type(fault).__name__})")
        return Attempt(detail=f"{len(refused)} recipient(s) refused" if refused else "")

    def _submit(self, target: SmtpTarget, message: EmailMessage) -> dict[str, Any]:
        trust = ssl.create_default_context(cafile=None if target.ca_file is None else str(target.ca_file))
        client: smtplib.SMTP
        if target.security == "tls":
            client = smtplib.SMTP_SSL(target.host, target.port, timeout=self._timeout_s, context=trust)
        else:
            client = smtplib.SMTP(target.host, target.port, timeout=self._timeout_s)
        with client:
            if target.security == "starttls":
                client.starttls(context=trust)
            if target.user is not None:
                client.login(target.user, target.password.get_secret_value() if target.password is not None else "")
            return client.send_message(message)


def letter(target: SmtpTarget, id_: str, notice: Notice, sent_at: datetime) -> EmailMessage:
    """The same mail at each attempt, by the same Message-ID."""
    data: dict[str, Any] = notice.body["data"]
    message = EmailMessage()
    message["From"] = target.sender
    message["To"] = ", ".join(target.recipients(notice.roles))
    message["Subject"] = _one_line(f"[AgentOS] {notice.title}")
    message["Date"] = format_datetime(sent_at)
    message["Message-ID"] = f"<{id_}@{target.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [notice.title, ""]
    for name in ("link", "reasons", "requester", "outcome", "by", "reason", "approver_roles", "quorum", "expires_at", "digest"):
        value = data.get(name)
        if value not in (None, [], ""):
            lines.append(f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}")  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON
    if "preview" in data:
        lines += ["", json.dumps(data["preview"], indent=2, ensure_ascii=False)]
    message.set_content("\n".join(lines) + "\n")
    return message


def _one_line(text: str) -> str:
    """A header's value: no line break can begin another header."""
    return "".join(char if char.isprintable() else " " for char in text)[:200]
