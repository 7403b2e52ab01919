"""Whose data does a task family hold? A blind index: keyed hashes of identifiers, so that a person is found and none can be listed.

``<tenant>.<HMAC-SHA-256 of a normalised identifier>[.<of another>…].<task family>`` in bucket ``subjects``: what is found at once is one
entry. The key is derived from the master key, one a tenant: who has the broker's store alone can neither read the index nor try out guesses.
"""

import asyncio
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable

from agentos.bus import Bus
from agentos.contracts.errors import Conflict, Refused
from agentos.keyring import KeyRing

INDEXED = frozenset(
    {"EMAIL", "PHONE", "CARD", "IBAN", "IP", "MAC", "SSN", "ID", "ACCOUNT", "CRYPTO", "PERSON", "USERNAME", "ADDRESS"}
)
"""Entities that lead to a person. A place, an age or a title does not; a secret is nobody's name."""

_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

NOTED = 50_000
"""How many identifiers of families an instance remembers to have noted: a task asks many times with the same people in it."""

TOGETHER = 8
"""How many identifiers stand in one entry at most. A person is looked for at each of so many places: seldom, while every call is noted."""


class SubjectIndex:
    """The index as one service uses it."""

    def __init__(self, bus: Bus, keys: KeyRing) -> None:
        self._bucket = bus.bucket("subjects")
        self._ring = keys
        self._keys: dict[str, bytes] = {}
        self._noted: set[tuple[str, str, str]] = set()

    async def note(self, tenant: str, family: str, values: Iterable[tuple[str, str]], *, remembered: bool = True) -> None:
        """Family ``family`` holds these pairs of entity and value. For policy, before anyone can see what it redacted. Idempotent.

        Entities that lead to nobody are left out. Not ``remembered`` are those of a family that is noted once: nobody asks again. Raises
        RetryLater without the broker: what cannot be found again is not let in.
        """
        named = {self.person(tenant, value) for entity, value in values if entity in INDEXED and normalised(value)}
        fresh = sorted(person for person in named if (tenant, person, family) not in self._noted)
        entries = (fresh[at : at + TOGETHER] for at in range(0, len(fresh), TOGETHER))
        await asyncio.gather(*(self._write(".".join((tenant, *persons, family))) for persons in entries))
        if remembered:
            if len(self._noted) + len(fresh) > NOTED:
                self._noted.clear()
            self._noted.update((tenant, person, family) for person in fresh)

    async def _write(self, key: str) -> None:
        try:
            await self._bucket.create(key, b"1")
        except Conflict:
            return  # known already

    def person(self, tenant: str, value: str) -> str:
        """The name under which ``value`` is indexed. Raises Refused for one in which nothing is left to look for."""
        plain = normalised(value)
        if not plain:
            raise Refused(
                "the subject must be an identifier, such as an e-mail address or a telephone number", code="bad_arguments"
            )
        key = self._keys.get(tenant)
        if key is None:
            key = self._keys[tenant] = self._ring.derive(f"subjects\0{tenant}")
        return hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()

    async def families(self, tenant: str, person: str) -> list[str]:
        """The task families that hold data of ``person``, oldest first."""
        places = (".".join((tenant, *("*" * place), person, ">")) for place in range(TOGETHER))
        found = [entry for at in await asyncio.gather(*map(self._bucket.matching, places)) for entry in at]
        return [entry.key.rpartition(".")[2] for entry in sorted(found, key=lambda entry: entry.revision)]

    async def forget(self, tenant: str, family: str) -> int:
        """Erase every entry of a family; how many identifiers stood there. For the gateway."""
        lengths = (".".join((tenant, *("*" * length), family)) for length in range(1, TOGETHER + 1))
        keys = [entry.key for of in await asyncio.gather(*map(self._bucket.matching, lengths)) for entry in of]
        erased = await asyncio.gather(*map(self._bucket.erase, keys))
        return sum(key.count(".") - 1 for key, was_there in zip(keys, erased, strict=True) if was_there)


def normalised(value: str) -> str:
    """One spelling for all spellings of an identifier: case, blanks and the punctuation of numbers make no difference.

    What is mostly digits is reduced to them (telephones, cards, national numbers); an IBAN and the like lose their blanks and hyphens.
    A telephone number with and without its country code stays two identifiers.
    """
    text = unicodedata.normalize("NFKC", value).casefold().strip()
    if _IPV4.fullmatch(text):
        return text
    compact = re.sub(r"[\s().\-/+]", "", text)
    if compact.isdigit():
        return compact
    if re.search(r"\d", compact) and compact.isalnum() and len(compact) >= 8:
        return compact
    return re.sub(r"\s+", " ", text)


__all__ = ["INDEXED", "SubjectIndex", "normalised"]
