"""A bundle as it travels: one JSON document with rules, configuration and tests, its version, and an Ed25519 signature over all of it.

Pure but for reading a folder. What a document must pass to be read at all stands here; whether its rules work is ``trial``'s question.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import Field, ValidationError

from agentos.contracts.base import Contract, Json, Utc
from agentos.contracts.errors import Refused, Unavailable
from services.policy.evaluator import Bundle, package_of, read_bundle, revision_of
from services.policy.tables import read_tables

MOST_BYTES = 4 * 1024 * 1024
"""Of a bundle's canonical JSON: rules are text that people wrote."""

PackageName = Annotated[str, Field(pattern=r"^agentos\.[a-z0-9_.]{1,100}$")]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,100}(_test\.rego|\.cases\.json)$")]


class BundleFault(Refused):
    """A bundle that must not decide. ``code`` begins with ``bundle.``."""

    code = "bundle.refused"


class SignedBundle(Contract):
    """Version ``version`` of the rules. A greater version takes the place of a smaller one; the same rules may come again as a new version."""

    format: Literal[1] = 1
    version: int = Field(ge=1, le=2**53 - 1)
    revision: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_at: Utc
    modules: dict[PackageName, str] = Field(min_length=1, max_length=256)
    """Rego source by package."""
    config: dict[str, Json]
    tests: dict[FileName, str] = Field(default_factory=dict, max_length=256)
    """Rego tests and tables of cases, by file name."""
    key_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    signature: str = Field(max_length=100)
    """Base64 of the Ed25519 signature over the canonical JSON of everything else."""

    @property
    def bundle(self) -> Bundle:
        """What an evaluator needs of it."""
        return Bundle(self.modules, self.config)

    @property
    def tables(self) -> dict[str, str]:
        """The tables of cases."""
        return {name: text for name, text in self.tests.items() if name.endswith(".cases.json")}

    def document(self) -> dict[str, Any]:
        """The JSON object that travels."""
        return self.model_dump(mode="json")

    def canonical(self) -> bytes:
        """The bytes that are signed: JSON with sorted keys, no blanks, ASCII only, without the signature."""
        rest = {name: value for name, value in self.document().items() if name != "signature"}
        return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def key_id_of(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the SHA-256 over the raw public key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def tests_in(folder: Path) -> dict[str, str]:
    """The Rego tests and tables of cases in ``folder``, by file name."""
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*_test.rego"))} | read_tables(folder)


def sign(folder: Path, version: int, created_at: datetime, key: Ed25519PrivateKey) -> SignedBundle:
    """The rules, configuration and tests of ``folder``, signed.

    Raises ``Unavailable`` when they cannot be read, BundleFault when they do not fit.
    """
    bundle = read_bundle(folder)
    unsigned = read(
        {
            "version": version,
            "revision": revision_of(bundle),
            "created_at": created_at.isoformat(),
            "modules": dict(bundle.modules),
            "config": bundle.config,
            "tests": tests_in(folder),
            "key_id": key_id_of(key.public_key()),
            "signature": "",
        }
    )
    signature = base64.b64encode(key.sign(unsigned.canonical())).decode()
    return unsigned.model_copy(update={"signature": signature})


def read(document: Mapping[str, Json]) -> SignedBundle:
    """A document of the right shape whose revision is that of its rules; the signature is not looked at. Raises BundleFault."""
    try:
        signed = SignedBundle.model_validate(document)
        size = len(signed.canonical())
    except ValidationError as bad:
        where = ", ".join(sorted({".".join(map(str, fault["loc"])) for fault in bad.errors(include_input=False)}))
        raise BundleFault(f"This is no signed bundle (at: {where[:500]}).", code="bundle.malformed") from None
    except (ValueError, RecursionError):
        raise BundleFault("This bundle cannot be written as JSON.", code="bundle.malformed") from None
    if size > MOST_BYTES:
        raise BundleFault(f"This bundle has {size} bytes; at most {MOST_BYTES} are taken.", code="bundle.malformed")
    for name, source in signed.modules.items():
        try:
            declared = package_of(source)
        except Unavailable as bad:
            raise BundleFault(f"{name}: {bad.detail}", code="bundle.malformed") from None
        if declared != name:
            raise BundleFault(f"The module of package {name} declares package {declared}.", code="bundle.malformed")
    if revision_of(signed.bundle) != signed.revision:
        raise BundleFault("The revision is not that of the rules and the configuration.", code="bundle.revision_differs")
    return signed


def verify(document: Mapping[str, Json], trusted: Mapping[str, Ed25519PublicKey]) -> SignedBundle:
    """The bundle, if one of the ``trusted`` keys (by key id) signed exactly this. Raises BundleFault saying what is amiss."""
    signed = read(document)
    key = trusted.get(signed.key_id)
    if key is None:
        known = ", ".join(sorted(trusted)) or "none"
        raise BundleFault(f"Key {signed.key_id} is not trusted here (trusted: {known}).", code="bundle.unknown_key")
    try:
        key.verify(base64.b64decode(signed.signature, validate=True), signed.canonical())
    except (InvalidSignature, binascii.Error, ValueError):
        raise BundleFault(
            f"The signature is not that of key {signed.key_id} over this bundle.", code="bundle.bad_signature"
        ) from None
    return signed


def write_folder(signed: SignedBundle, folder: Path) -> None:
    """The bundle as files, as OPA and ``read_bundle`` take them."""
    for name, source in signed.modules.items():
        (folder / f"{name.removeprefix('agentos.').replace('.', '_')}.rego").write_text(source, "utf-8")
    for name, text in signed.tests.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "data.json").write_text(json.dumps({"config": signed.config}), "utf-8")


__all__ = ["BundleFault", "SignedBundle", "key_id_of", "read", "sign", "tests_in", "verify", "write_folder"]
