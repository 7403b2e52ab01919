"""Whose data does a task family hold? A blind index: keyed hashes of identifiers, so that a person is found and none can be listed.

``<tenant>.<HMAC-SHA-256 of the normalised identifier>.<task family>`` in bucket ``subjects``. The key is derived from the master key, one a
tenant: who has the broker's store alone can neither read the index nor try out guesses.
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
"""How many entries an instance remembers to have written: a task asks many times with the same people in it."""


class SubjectIndex:
    """The index as one service uses it."""

    def __init__(self, bus: Bus, keys: KeyRing) -> None:
        self._bucket = bus.bucket("subjects")
        self._ring = keys
        self._keys: dict[str, bytes] = {}
        self._noted: set[str] = set()

    async def note(self, tenant: str, family: str, values: Iterable[tuple[str, str]]) -> None:
        """Family ``family`` holds these pairs of entity and value. For policy, before anyone can see what it redacted. Idempotent.

        Entities that lead to nobody are left out. Raises RetryLater without the broker: what cannot be found again is not let in.
        """
        named = {self.person(tenant, value) for entity, value in values if entity in INDEXED and normalised(value)}
        fresh = {f"{tenant}.{person}.{family}" for person in named} - self._noted
        if len(self._noted) + len(fresh) > NOTED:
            self._noted.clear()
        await asyncio.gather(*(self._write(key) for key in fresh))
        self._noted |= fresh

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
        return [key.rpartition(".")[2] for key in await self._bucket.keys(f"{tenant}.{person}.")]

    async def forget(self, tenant: str, family: str) -> int:
        """Erase every entry of a family; how many there were. For the gateway."""
        entries = await self._bucket.matching(f"{tenant}.*.{family}")
        erased = await asyncio.gather(*(self._bucket.erase(entry.key) for entry in entries))
        return sum(erased)


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
