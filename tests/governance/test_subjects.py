"""The subject index: whoever's data a task family holds is found by any spelling, and nobody can list who is in it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.contracts.errors import Refused
from agentos.keyring import KeyRing
from agentos.sealing import MasterKey
from agentos.subjects import TOGETHER, SubjectIndex, normalised
from tests.conftest import Broker

TENANT = "default"


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    return MasterKey.load_or_create(tmp_path / "keys" / "master.key")


async def index(broker: Broker, service: str, master: MasterKey) -> SubjectIndex:
    bus = await broker.connect(service)
    return SubjectIndex(bus, KeyRing(bus, master))


async def test_a_person_is_found_by_any_spelling_and_forgotten_with_the_family(broker: Broker, master: MasterKey) -> None:
    policy, gateway = await index(broker, "policy", master), await index(broker, "gateway", master)
    found = [("EMAIL", "Ann@Example.org"), ("PHONE", "+1 415 555 0132"), ("AGE", "41"), ("LITERAL", "<EMAIL_1>")]
    await policy.note(TENANT, "f1", found)
    await policy.note(TENANT, "f1", found)
    await policy.note(TENANT, "f2", [("EMAIL", "ann@example.org")])
    await policy.note("other", "f3", [("EMAIL", "ann@example.org")])

    async def families(value: str) -> list[str]:
        return await gateway.families(TENANT, gateway.person(TENANT, value))

    assert await families(" ANN@example.org") == ["f1", "f2"]
    assert await families("+1 (415) 555-0132") == ["f1"]
    assert await families("41") == []
    assert await gateway.forget(TENANT, "f1") == 2
    assert await families("ann@example.org") == ["f2"]
    assert await gateway.forget(TENANT, "f1") == 0
    assert await gateway.families("other", gateway.person("other", "ann@example.org")) == ["f3"]


async def test_however_many_are_found_at_once_each_is_found_again_and_all_are_forgotten(
    broker: Broker, master: MasterKey
) -> None:
    policy, gateway = await index(broker, "policy", master), await index(broker, "gateway", master)
    people = [f"person{number}@example.org" for number in range(2 * TOGETHER + 3)]
    await policy.note(TENANT, "f1", [("EMAIL", person) for person in people])
    await policy.note(TENANT, "f2", [("EMAIL", person) for person in people[::2]])
    for number, person in enumerate(people):
        both = ["f1", "f2"] if number % 2 == 0 else ["f1"]
        assert await gateway.families(TENANT, gateway.person(TENANT, person)) == both
    assert await gateway.forget(TENANT, "f1") == len(people)
    assert await gateway.families(TENANT, gateway.person(TENANT, people[0])) == ["f2"]
    assert await gateway.families(TENANT, gateway.person(TENANT, people[1])) == []


async def test_a_family_that_is_noted_once_is_found_and_takes_no_room_in_memory(broker: Broker, master: MasterKey) -> None:
    policy, gateway = await index(broker, "policy", master), await index(broker, "gateway", master)
    for _ in range(2):  # a message that comes again
        await policy.note(TENANT, "f1", [("EMAIL", "ann@example.org"), ("PHONE", "+1 415 555 0132")], remembered=False)
    assert await gateway.families(TENANT, gateway.person(TENANT, "ann@example.org")) == ["f1"]
    assert not policy._noted  # pyright: ignore[reportPrivateUsage] - what it keeps shows nowhere else
    assert await gateway.forget(TENANT, "f1") == 2


async def test_the_brokers_files_hold_no_identifier_and_after_forgetting_no_trace_of_it(
    broker: Broker, master: MasterKey
) -> None:
    policy, gateway = await index(broker, "policy", master), await index(broker, "gateway", master)
    await policy.note(TENANT, "f1", [("EMAIL", "ann@example.org")])
    person = gateway.person(TENANT, "ann@example.org").encode()

    def stored() -> bytes:
        files = [path for path in broker.server.folder.rglob("*.blk") if "KV_subjects" in str(path)]
        return b"".join(path.read_bytes() for path in files)

    assert person in stored()
    assert b"ann@example" not in stored()
    await gateway.forget(TENANT, "f1")
    assert person not in stored()


async def test_the_same_person_has_another_name_for_each_tenant_and_under_each_master_key(
    broker: Broker, master: MasterKey, tmp_path: Path
) -> None:
    one = await index(broker, "gateway", master)
    two = await index(broker, "gateway", MasterKey.load_or_create(tmp_path / "other" / "master.key"))
    assert len({one.person("t1", "ann@x.org"), one.person("t2", "ann@x.org"), two.person("t1", "ann@x.org")}) == 3
    for empty in ("", " \t"):
        with pytest.raises(Refused):
            one.person("t1", empty)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@X.org", "ann@x.ORG"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("4111-1111-1111-1111", "4111 1111 1111 1111"),
        ("Ann  Lee", "ann lee"),
        ("\uff21nn", "Ann"),
    ],
)
def test_spellings_of_one_identifier_are_one(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"), [("10.0.0.1", "100.0.0.1"), ("10.0.0.1", "1.0.00.1"), ("ann@x.org", "an.n@x.org"), ("Ann Lee", "Annlee")]
)
def test_different_identifiers_stay_different(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.text(max_size=40))
def test_normalising_again_changes_nothing(value: str) -> None:
    assert normalised(normalised(value)) == normalised(value)
