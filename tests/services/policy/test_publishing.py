"""Publishing on a real broker: one bundle after the other takes effect while decisions flow, and a bad one changes nothing."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agentos.bus import Bus, Route
from agentos.contracts.base import Json
from agentos.contracts.commands import Answer, PublishBundle
from agentos.contracts.events.policy import BundlePublished, BundleRefused
from agentos.contracts.ids import new_id
from agentos.ending import end
from services.policy import publishing
from services.policy.active import ActivePolicy
from services.policy.bundles import SignedBundle, key_id_of
from services.policy.catalogue import Catalogue
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import Bundle, PolicyEvaluator, read_bundle, revision_of
from services.policy.opa import OpaEvaluator
from services.policy.publishing import Bundles, MakeEvaluator
from services.policy.questions import Decision, Question
from services.policy.tables import merged
from services.policy.trial import try_out
from tests.conftest import Broker
from tests.governance.scenario import OPERATOR, TENANT, answer, event, until
from tests.services.policy.cases import tool_call

KEY = Ed25519PrivateKey.generate()
TRUSTED = {key_id_of(KEY.public_key()): KEY.public_key()}
SHIPPED = read_bundle()
HELD = tool_call(untrusted=False)
"""A question that is held, on the terms that tell one version from another."""


def bundle(version: int, key: Ed25519PrivateKey = KEY, **changes: Any) -> SignedBundle:
    """The shipped rules without their tests, which would take their time, and with a configuration of this version's own."""
    config = merged(SHIPPED.config, {"approvals": {"terms": {"expires_after_s": version}}, **changes})
    return signed_by(Bundle(SHIPPED.modules, config), version, key)


def signed_by(content: Bundle, version: int, key: Ed25519PrivateKey) -> SignedBundle:
    unsigned = SignedBundle(
        version=version,
        revision=revision_of(content),
        created_at=datetime.now(UTC),
        modules=dict(content.modules),
        config=content.config,
        key_id=key_id_of(key.public_key()),
        signature="",
    )
    return unsigned.model_copy(update={"signature": base64.b64encode(key.sign(unsigned.canonical())).decode()})


async def embedded(content: Bundle) -> PolicyEvaluator:
    return EmbeddedEvaluator(content)


class Instance:
    """One instance of the policy service, as far as publishing goes."""

    def __init__(self, bus: Bus, make: MakeEvaluator, trusted: Any = TRUSTED) -> None:
        self.bus = bus
        self.active = ActivePolicy(EmbeddedEvaluator())
        self.bundles = Bundles(bus, self.active, make, trusted)
        self._following: asyncio.Task[None] | None = None

    async def start(self, *, consume: bool = True) -> None:
        await self.bundles.start()
        self._following = asyncio.create_task(self.bundles.follow())
        if consume:
            self.bus.consume(self.bundles.routes())
            await self.bus.start()

    async def stop(self) -> None:
        if self._following is not None:
            await end(self._following)
        await self.bus.drain()
        await self.active.close()

    async def at(self, version: int) -> None:
        async def reached() -> bool:
            return self.active.version == version

        await until(reached)


class Site:
    """A gateway that asks for publication, and instances of policy."""

    def __init__(self, broker: Broker, gateway: Bus) -> None:
        self.broker, self.gateway = broker, gateway
        self.instances: list[Instance] = []

    async def instance(self, make: MakeEvaluator = embedded, *, consume: bool = True, **options: Any) -> Instance:
        made = Instance(await self.broker.connect("policy"), make, **options)
        self.instances.append(made)
        await made.start(consume=consume)
        return made

    async def send(self, document: dict[str, Json] | SignedBundle) -> str:
        request = new_id()
        content = document.document() if isinstance(document, SignedBundle) else document
        command = PublishBundle(tenant=TENANT, by=OPERATOR, bundle=content)
        await self.gateway.send("policy.publish", (request,), command, tenant=TENANT)
        return request

    async def publish(self, document: dict[str, Json] | SignedBundle) -> Answer:
        return await answer(self.gateway, "policy", await self.send(document))


@pytest.fixture
async def site(broker: Broker) -> AsyncIterator[Site]:
    made = Site(broker, await broker.connect("gateway"))
    yield made
    for instance in made.instances:
        await instance.stop()


async def test_a_published_bundle_decides_from_then_on_and_the_fact_says_by_whom(site: Site) -> None:
    instance = await site.instance()
    assert (await site.publish(bundle(7))).ok
    await instance.at(7)
    held = await instance.active.decide(HELD)
    assert held.obligations["expires_after_s"] == 7
    assert held.revision == bundle(7).revision
    fact = (await event(site.gateway, "policy.7.published")).payload(BundlePublished)
    assert (fact.version, fact.revision, fact.previous, fact.by) == (7, held.revision, None, OPERATOR)


async def test_an_instance_that_starts_later_begins_with_the_newest_version(site: Site) -> None:
    await site.instance()
    for version in (1, 2):
        assert (await site.publish(bundle(version))).ok
    late = await site.instance(consume=False)
    assert late.active.version == 2


async def test_a_rollback_is_the_old_content_under_a_new_version(site: Site) -> None:
    instance = await site.instance()
    first = bundle(1)
    for document in (first, bundle(2), signed_by(first.bundle, 3, KEY)):
        assert (await site.publish(document)).ok
    await instance.at(3)
    assert instance.active.revision == first.revision


@pytest.mark.parametrize("version", [1, 4, 5])
async def test_an_equal_or_older_version_is_refused_and_the_newer_one_goes_on_deciding(site: Site, version: int) -> None:
    instance = await site.instance()
    assert (await site.publish(bundle(5))).ok
    await instance.at(5)
    request = await site.send(bundle(version, limits={"max_attempts": 7}))
    said = await answer(site.gateway, "policy", request)
    assert (said.ok, said.code) == (False, "bundle.not_newer")
    refused = (await event(site.gateway, f"policy.{request}.refused")).payload(BundleRefused)
    assert (refused.code, refused.version, refused.serving) == ("bundle.not_newer", version, 5)
    assert instance.active.revision == bundle(5).revision


def broken(document: dict[str, Json], source: str) -> dict[str, Json]:
    modules = {**document["modules"], "agentos.api": f"package agentos.api\n\n{source}\n"}
    return signed_by(Bundle(modules, document["config"]), document["version"], KEY).document()


BAD: dict[str, tuple[dict[str, Json], str]] = {
    "no bundle": ({}, "bundle.malformed"),
    "a stranger's signature": (bundle(2, Ed25519PrivateKey.generate()).document(), "bundle.unknown_key"),
    "changed after it was signed": ({**bundle(2).document(), "version": 3}, "bundle.bad_signature"),
    "does not compile": (broken(bundle(2).document(), "decision := {"), "bundle.uncompilable"),
    "undefined": (broken(bundle(2).document(), "x := 1"), "bundle.undefined"),
    "recursive": (broken(bundle(2).document(), "decision := data.agentos.api.decision"), "bundle.undefined"),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_bundle_is_refused_and_what_decided_goes_on_deciding(site: Site, what: str) -> None:
    document, code = BAD[what]
    instance = await site.instance()
    assert (await site.publish(bundle(1))).ok
    await instance.at(1)
    request = await site.send(document)
    assert (await answer(site.gateway, "policy", request)).code == code
    refused = (await event(site.gateway, f"policy.{request}.refused")).payload(BundleRefused)
    assert (refused.code, refused.by, refused.serving) == (code, OPERATOR, 1)
    assert (await instance.active.decide(HELD)).revision == bundle(1).revision
    listing, _ = await Catalogue(instance.bus).read()
    assert [one.version for one in listing.versions] == [1]


async def test_rules_that_loop_are_refused_and_publishing_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "try_out", _impatient)
    instance = await site.instance()
    loop = "decision := count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i * j < 0])"
    assert (await site.publish(broken(bundle(1).document(), loop))).code == "bundle.too_slow"
    monkeypatch.undo()
    assert (await site.publish(bundle(1))).ok
    await instance.at(1)


async def _impatient(signed: SignedBundle, **options: Any) -> None:
    await try_out(signed, deadline=timedelta(seconds=3), **options)


async def test_a_publication_that_is_delivered_again_is_the_same_publication(site: Site) -> None:
    instance = await site.instance(consume=False)
    delivered: list[Any] = []

    async def keep(message: Any) -> None:
        await instance.bundles.on_publish(message)
        await instance.bundles.on_publish(message)
        delivered.append(message)

    instance.bus.consume([Route("policy.publish", keep)])
    await instance.bus.start()
    assert (await site.publish(bundle(1))).ok
    await until(lambda: _truth(bool(delivered)))
    listing, _ = await Catalogue(instance.bus).read()
    assert [one.version for one in listing.versions] == [1]


async def _truth(value: bool) -> bool:
    return value


async def test_an_instance_that_cannot_run_a_published_bundle_keeps_its_rules_and_says_so(site: Site) -> None:
    good = await site.instance()
    assert (await site.publish(bundle(1))).ok
    stubborn = await site.instance(consume=False, trusted={})
    assert stubborn.active.version == 0
    refused = (await event(site.gateway, f"policy.v1-{stubborn.bus.instance}.refused")).payload(BundleRefused)
    assert (refused.code, refused.instance, refused.serving) == ("bundle.unknown_key", stubborn.bus.instance, None)
    await good.at(1)
    assert (await stubborn.active.decide(HELD)).revision == revision_of(SHIPPED)


async def test_of_two_at_once_one_is_first_and_both_are_answered(site: Site) -> None:
    for _ in range(2):
        await site.instance()
    answers = await asyncio.gather(*(site.publish(bundle(3, limits={"max_attempts": n})) for n in (5, 6)))
    assert sorted(each.code for each in answers) == ["bundle.not_newer", "ok"]


SWAPS = 6


@asynccontextmanager
async def asked(stop: asyncio.Event, *asking: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """While it is open, questions are asked; they end with it, however that is: one under way holds its bundle."""
    tasks = [asyncio.create_task(each) for each in asking]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_swaps_lose_no_decision_and_each_names_the_bundle_that_made_it(site: Site) -> None:
    """Every decision holds the terms of the very version whose revision it names: none is made of two bundles."""
    instances = [await site.instance() for _ in range(2)]
    revisions = {revision_of(SHIPPED): 86_400} | {bundle(n).revision: n for n in range(1, SWAPS + 1)}
    made: list[Decision] = []
    stop = asyncio.Event()

    async def ask(instance: Instance) -> None:
        while not stop.is_set():
            made.append(await instance.active.decide(HELD))
            await asyncio.sleep(0.001)

    async with asked(stop, *(ask(instance) for instance in instances for _ in range(4))):
        for version in range(1, SWAPS + 1):
            assert (await site.publish(bundle(version))).ok
            await asyncio.gather(*(instance.at(version) for instance in instances))
    assert {decision.verdict for decision in made} == {"hold"}
    assert all(decision.obligations["expires_after_s"] == revisions[decision.revision] for decision in made)
    assert set(Counter(decision.revision for decision in made)) == set(revisions)


@pytest.mark.opa
async def test_swaps_through_an_opa_server_lose_no_decision_either(site: Site, empty_opa: str) -> None:
    async def make(content: Bundle) -> PolicyEvaluator:
        return await OpaEvaluator.connect(empty_opa, content, answer_within=timedelta(seconds=30))

    instance = await site.instance(make)
    made: list[Decision] = []
    stop = asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            made.append(await instance.active.decide(HELD))
            # The embedded evaluator, which decides first, never waits.
            await asyncio.sleep(0.001)

    versions = range(1, 4)
    async with asked(stop, ask(), ask()):
        for version in versions:
            assert (await site.publish(bundle(version))).ok
            await instance.at(version)
    revisions = {revision_of(SHIPPED): 86_400} | {bundle(n).revision: n for n in versions}
    assert all(decision.obligations["expires_after_s"] == revisions[decision.revision] for decision in made)


class Slow:
    """An evaluator that answers when it is told to, and remembers that it was closed."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.go = asyncio.Event()
        self.closed = False

    async def decide(self, question: Question) -> Decision:
        await self.go.wait()
        assert not self.closed
        return Decision(verdict="allow", reasons=("r",), rules=("r",), obligations={}, revision=self.revision)

    async def close(self) -> None:
        self.closed = True


async def test_a_decision_that_has_begun_ends_with_the_rules_it_began_with() -> None:
    old, new = Slow("old"), Slow("new")
    active = ActivePolicy(old)
    running = asyncio.create_task(active.decide(HELD))
    await asyncio.sleep(0)
    active.swap(new, 1)
    new.go.set()
    assert (await active.decide(HELD)).revision == "new"
    assert not old.closed
    old.go.set()
    assert (await running).revision == "old"
    await active.close()
    assert old.closed
    assert new.closed
