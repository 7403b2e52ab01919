"""Notifications: signed webhooks and mails to real servers, tried again until they are taken, each attempt a fact."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from agentos.bus.publishing import PUBLISH_TRIES
from agentos.bus.server import free_port
from agentos.contracts.commands import TimerDue
from agentos.contracts.events.approval import ApprovalResolved
from agentos.contracts.events.notification import NotificationFailed, NotificationQueued, NotificationSent
from services.gates.domain import notifications as domain
from services.gates.notifications.sending import Sender, signed
from services.gates.notifications.targets import SmtpTarget, Targets, WebhookTarget
from tests.conftest import Broker
from tests.governance.scenario import APPROVER, TENANT, approval, event, message, until
from tests.services.gates.house import House, house_of

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
QUICK = (timedelta(0), timedelta(milliseconds=100), timedelta(milliseconds=100), timedelta(milliseconds=100))


class Endpoint:
    """An HTTP server on loopback that keeps what it gets and answers what it is told, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if value}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.got.append((headers, body))
            answer = self.answers.pop(0) if self.answers else b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
            if answer == b"hang":
                await reader.read()
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the sender has heard enough
        finally:
            writer.close()


@asynccontextmanager
async def endpoint() -> AsyncGenerator[tuple[Endpoint, str]]:
    made = Endpoint()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield made, f"http://{host}:{port}/hook"
    finally:
        server.close()
        await server.wait_closed()


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def hook(url: str, **fields: Any) -> Targets:
    target = {"name": "ops", "url": url, "secrets": [SECRET]} | fields
    return Targets.model_validate({"webhooks": [target], "retry_after": QUICK, "link": "https://ops.example.org", "timeout": 1})


@pytest.fixture
async def server() -> AsyncIterator[tuple[Endpoint, str]]:
    async with endpoint() as found:
        yield found


async def _queued(house: House, topic: str = "approval.requested") -> str:
    async def look() -> str | None:
        tail = house.gateway.tail((f"evt.{TENANT}.notification.*.queued",), start="first").updates()
        try:
            async for raw in tail:
                if raw is None:
                    return None
                queued = (await house.gateway.decode(raw)).payload(NotificationQueued)
                if queued.topic == topic:
                    return raw.subject.split(".")[3]
        finally:
            await tail.aclose()
        return None

    return await until(look)


async def test_a_request_is_told_once_signed_and_without_anything_in_clear(
    broker: Broker, tmp_path: Path, server: tuple[Endpoint, str]
) -> None:
    got, url = server
    async with house_of(broker, tmp_path, hook(url, events=["approval.requested", "approval.resolved"])) as house:
        await house.hold()
        id_ = await _queued(house)
        sent = (await event(house.gateway, f"notification.{id_}.sent")).payload(NotificationSent)
        assert (sent.target, sent.attempts, sent.status) == ("ops", 1, 200)
        headers, body = got.got[0]
        said = Webhook(SECRET).verify(body, headers)
        assert headers["webhook-id"] == id_
        assert (said["type"], said["data"]["approval"], said["data"]["task"]) == ("approval.requested", "c1", "t1")
        assert said["data"]["preview"]["arguments"]["to"] == "<EMAIL_1>"
        assert said["data"]["link"] == "https://ops.example.org/approvals/c1"
        assert b"ada@example.org" not in body
        assert (await house.resolve("rejected")).ok
        other = await _queued(house, "approval.resolved")
        await event(house.gateway, f"notification.{other}.sent")
        assert Webhook(SECRET).verify(got.got[1][1], got.got[1][0])["data"]["outcome"] == "rejected"
        assert len(got.got) == 2


async def test_while_a_secret_is_changed_both_sign() -> None:
    target = WebhookTarget.model_validate({"name": "x", "url": "https://x.example/", "secrets": [SECRET, OLD_SECRET]})
    headers = signed(target, "id1", "{}", datetime.now(UTC))
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(b"{}", headers) == {}


async def test_what_is_not_taken_is_tried_again_under_the_same_id_until_it_is(
    broker: Broker, tmp_path: Path, server: tuple[Endpoint, str]
) -> None:
    """A server error, a redirect (which is not followed) and a server that never answers: then it takes it."""
    got, url = server
    got.answers = [status(500), status(302, f"location: {url}/elsewhere"), b"hang"]
    async with house_of(broker, tmp_path, hook(url, events=["approval.requested"])) as house:
        await house.hold()
        id_ = await _queued(house)
        sent = (await event(house.gateway, f"notification.{id_}.sent")).payload(NotificationSent)
        assert sent.attempts == 4
        faults = [
            (await event(house.gateway, f"notification.{id_}.failed.{n}")).payload(NotificationFailed).fault.code
            for n in (1, 2, 3)
        ]
        assert faults == ["status_500", "status_302", "timeout"]
        assert {headers["webhook-id"] for headers, _ in got.got} == {id_}
        assert len({body for _, body in got.got}) == 1


async def test_after_the_last_attempt_it_is_given_up_and_said_so(
    broker: Broker, tmp_path: Path, server: tuple[Endpoint, str]
) -> None:
    got, url = server
    got.answers = [status(503)] * 9
    async with house_of(broker, tmp_path, hook(url, events=["approval.requested"])) as house:
        await house.hold()
        id_ = await _queued(house)
        last = (await event(house.gateway, f"notification.{id_}.failed.4")).payload(NotificationFailed)
        assert (last.next_at, last.fault.retryable) == (None, False)
        assert len(got.got) == 4


async def test_a_target_that_is_gone_is_told_nothing_any_more(
    broker: Broker, tmp_path: Path, server: tuple[Endpoint, str]
) -> None:
    got, url = server
    got.answers = [status(410)]
    async with house_of(broker, tmp_path, hook(url, events=["approval.requested", "approval.resolved"])) as house:
        await house.hold()
        id_ = await _queued(house)
        failed = (await event(house.gateway, f"notification.{id_}.failed.1")).payload(NotificationFailed)
        assert (failed.fault.code, failed.next_at) == ("gone", None)
        assert (await house.resolve()).ok
        other = await _queued(house, "approval.resolved")
        assert (await event(house.gateway, f"notification.{other}.failed.1")).payload(
            NotificationFailed
        ).fault.code == "disabled"
        assert len(got.got) == 1


async def test_a_crash_between_an_attempt_and_its_fact_tells_again_under_the_same_id_and_never_twice_afterwards(
    broker: Broker, tmp_path: Path, server: tuple[Endpoint, str]
) -> None:
    got, url = server
    async with house_of(broker, tmp_path, hook(url, events=["approval.requested"])) as house:
        (bus, gates), *_ = house.running
        publish, crashed = bus._publish, asyncio.Event()

        async def crash_once(subject: str, body: bytes, headers: Any, tries: int = PUBLISH_TRIES) -> tuple[int, bool]:
            if subject.endswith(".sent") and not crashed.is_set():
                crashed.set()
                raise RuntimeError("killed here")
            return await publish(subject, body, headers, tries)

        bus._publish = crash_once
        await house.hold()
        id_ = await _queued(house)
        sent = await event(house.gateway, f"notification.{id_}.sent")
        assert sent.payload(NotificationSent).attempts == 1
        assert [headers["webhook-id"] for headers, _ in got.got] == [id_, id_]
        due = message("timer.gates-notify-due", (f"{id_}-1",), TimerDue(tenant=TENANT, ordinal=1))
        await gates.notifications.on_due(due)
        assert len(got.got) == 2


async def test_an_endless_answer_is_not_read(server: tuple[Endpoint, str]) -> None:
    got, url = server
    got.answers = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"]
    sender = Sender(timedelta(seconds=5))
    targets = hook(url)
    notice = domain.notice(message("approval.requested", (TENANT, "c1"), approval()), approval(), None)
    assert (await sender.post(targets.webhooks[0], "id1", notice)).ok
    await sender.close()


async def test_a_kill_switch_is_told(broker: Broker, tmp_path: Path, server: tuple[Endpoint, str]) -> None:
    got, url = server
    async with house_of(broker, tmp_path, hook(url, events=["kill.engaged", "kill.released"])) as house:
        await house.release(await house.engage("pack", "engineering"))

        async def both() -> bool:
            return len(got.got) == 2

        await until(both)
        said = sorted(json.loads(body)["type"] for _, body in got.got)
        assert said == ["kill.engaged", "kill.released"]


# --- mail -------------------------------------------------------------------------------------------------------------


class Mailbox:
    """Keeps the mails; refuses the first ones when told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.mails: list[tuple[list[str], Any]] = []
        self.refusals = refusals

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        if self.refusals:
            self.refusals -= 1
            return "451 try again later"
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken"


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, private = folder / "mail.pem", folder / "mail.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)
    return context, chain


@asynccontextmanager
async def mail_server(box: Mailbox, folder: Path) -> AsyncGenerator[dict[str, Any]]:
    """STARTTLS and a password are required, as a real one does."""
    tls, authority = _certificate(folder)
    port = free_port()

    def check(server: Any, session: Any, envelope: Any, mechanism: Any, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"agentos", b"pass word"))

    controller = Controller(
        box, hostname="127.0.0.1", port=port, tls_context=tls, require_starttls=True, authenticator=check, auth_required=True
    )
    await asyncio.to_thread(controller.start)
    try:
        yield {
            "host": "localhost", "port": port, "user": "agentos", "password": "pass word", "ca_file": str(authority),
            "from": "agentos@example.org", "to": {"approver": ["anna@example.org"], "admin": ["boss@example.org"]},
        }  # fmt: skip
    finally:
        await asyncio.to_thread(controller.stop)


async def test_who_may_answer_gets_a_mail_over_tls_and_after_a_refusal_again_with_the_same_message_id(
    broker: Broker, tmp_path: Path
) -> None:
    box = Mailbox(refusals=1)
    async with mail_server(box, tmp_path) as smtp:
        targets = Targets.model_validate({"smtp": smtp, "retry_after": QUICK, "link": "https://ops.example.org"})
        async with house_of(broker, tmp_path, targets) as house:
            await house.hold(approver_roles=["approver"], escalation=[{"after_s": 1, "roles": ["admin"]}])
            id_ = await _queued(house)
            sent = (await event(house.gateway, f"notification.{id_}.sent")).payload(NotificationSent)
            assert sent.attempts == 2
            failed = (await event(house.gateway, f"notification.{id_}.failed.1")).payload(NotificationFailed)
            assert failed.fault.code == "smtp_451"
            to, mail = box.mails[0]
            assert to == ["anna@example.org"]
            assert mail["Message-ID"] == f"<{id_}@example.org>"
            assert mail["Subject"].strip().startswith("[AgentOS] Waiting for you: engineering asks to run github.comment")
            assert "https://ops.example.org/approvals/c1" in mail.get_content()
            assert "<EMAIL_1>" in mail.get_content()
            assert "ada@" not in mail.as_string()
            other = await _queued(house, "approval.escalated")
            await event(house.gateway, f"notification.{other}.sent")
            assert box.mails[1][0] == ["boss@example.org"]


async def test_a_server_that_cannot_be_trusted_gets_no_password(tmp_path: Path) -> None:
    box = Mailbox()
    async with mail_server(box, tmp_path) as smtp:
        target = SmtpTarget.model_validate({**smtp, "ca_file": None})
        notice = domain.notice(message("approval.requested", (TENANT, "c1"), approval()), approval(), None)
        attempt = await Sender(timedelta(seconds=5)).mail(target, "id1", notice, datetime.now(UTC))
        assert attempt.code == "unreachable"
        assert box.mails == []


# --- configuration and schedule ---------------------------------------------------------------------------------------


def test_the_schedule_is_that_of_standard_webhooks_and_ends_after_about_three_days() -> None:
    assert sum(domain.DELAYS, timedelta()) > timedelta(days=3)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    waits: list[timedelta] = []
    attempt, at = 1, domain.next_attempt(1, now, domain.DELAYS)
    while at is not None:
        waits.append(at - now)
        attempt += 1
        at = domain.next_attempt(attempt, now, domain.DELAYS)
    assert [wait.total_seconds() for wait in waits] == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"webhooks": [{"name": "x", "url": "http://other.example/", "secrets": [SECRET]}]}, "webhooks.0"),
        ({"webhooks": [{"name": "x", "url": "https://me:pw@x.example/", "secrets": [SECRET]}]}, "webhooks.0"),
        ({"webhooks": [{"name": "x", "url": "file:///etc/passwd", "secrets": [SECRET]}]}, "webhooks.0"),
        ({"webhooks": [{"name": "x", "url": "https://x.example/", "secrets": ["whsec_c2hvcnQ="]}]}, "secrets"),
        ({"webhooks": [{"name": "x", "url": "https://x.example/", "secrets": []}]}, "secrets"),
        ({"smtp": {"host": "h", "from": "a@b.c\r\nBcc: x@y.z", "to": {}}}, "from"),
        ({"smtp": {"host": "h", "from": "a@b.c", "to": {}, "security": "none", "password": "hunter22"}}, "smtp"),
        ({"weebhooks": []}, "weebhooks"),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_field_and_repeats_no_secret(
    tmp_path: Path, wrong: dict[str, Any], field: str
) -> None:
    path = tmp_path / "notifications.json"
    path.write_text(json.dumps(wrong))
    with pytest.raises(ValueError, match=field) as refused:
        Targets.load(path)
    for secret in ("hunter22", "c2hvcnQ", SECRET):
        assert secret not in str(refused.value)


def test_a_resolution_names_who_voted_and_no_sealed_part() -> None:
    resolved = ApprovalResolved(context=approval().context, kind="tool", outcome="approved", by=APPROVER, digest="d")
    told = domain.notice(message("approval.resolved", (TENANT, "c1"), resolved), approval(), None)
    assert told.body["data"]["by"] == "anna"
    assert "ciphertext" not in json.dumps(told.body)
