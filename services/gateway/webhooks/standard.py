"""Standard Webhooks (standardwebhooks.com, spec 1.0): id, timestamp and body are signed together.

Written out instead of calling the ``standardwebhooks`` package because that (1.1.0) raises ValueError and binascii.Error on an
entry without a comma or with bad base64, UnicodeDecodeError on a body that is not UTF-8, takes ``12.5`` and ``1e9`` for a
timestamp, and lets one malformed entry hide a good one. A test holds the two equal on everything that is well formed.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from services.gateway.webhooks.verdict import Rejected, Verdict, Verified

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET_PREFIX = "whsec_"
TOLERANCE = timedelta(minutes=5)

_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}")
"""Printable ASCII without the full stop, which separates the signed parts."""
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def parse_secret(text: str) -> bytes:
    """The signing key of a ``whsec_…`` secret. Raises ValueError (without the secret) when it is none, or is too short."""
    if not text.startswith(SECRET_PREFIX):
        raise ValueError(f"a Standard Webhooks secret starts with {SECRET_PREFIX!r}")
    encoded = text.removeprefix(SECRET_PREFIX)
    try:
        # Some senders leave the padding out.
        key = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {SECRET_PREFIX!r} must be base64") from None
    if len(key) < 24:
        raise ValueError("the secret holds fewer than 24 bytes, the least that Standard Webhooks allows")
    return key


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
    """Whether one of the signatures vouches for id, timestamp and ``body``. ``headers`` have lower-case names."""
    id_, timestamp, given = headers.get(ID), headers.get(TIMESTAMP), headers.get(SIGNATURE)
    if not given:
        return Rejected(401, "signature_missing", "send webhook-id, webhook-timestamp and webhook-signature")
    if not id_:
        return Rejected(400, "webhook_id_missing", "send webhook-id: the same for each attempt at the same delivery")
    if not timestamp:
        return Rejected(400, "timestamp_missing", "send webhook-timestamp: whole seconds since 1970-01-01 UTC")
    if _ID.fullmatch(id_) is None:
        return Rejected(
            400, "webhook_id_malformed", "webhook-id must be 1 to 256 printable ASCII characters without spaces and full stops"
        )
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return Rejected(400, "timestamp_malformed", "webhook-timestamp must be whole seconds since 1970-01-01 UTC, in digits")
    refusal = _check_signatures(expected_signature(secret, id_, timestamp, body), given)
    if refusal is not None:
        return refusal
    age = now.timestamp() - int(timestamp)
    if abs(age) > TOLERANCE.total_seconds():
        side, mend = ("old", "sign each attempt anew") if age > 0 else ("new", "set the sender's clock")
        return Rejected(401, f"timestamp_too_{side}", f"webhook-timestamp is more than 5 minutes off: {mend}")
    return Verified(id_)


def expected_signature(secret: bytes, id_: str, timestamp: str, body: bytes) -> bytes:
    """HMAC-SHA256 over ``<id>.<timestamp>.<body>``, as the header gives id and timestamp."""
    return hmac.new(secret, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256).digest()


def sign(secret: bytes, id_: str, timestamp: str, body: bytes) -> str:
    """One entry of the header."""
    return "v1," + base64.b64encode(expected_signature(secret, id_, timestamp, body)).decode()


def _check_signatures(expected: bytes, given: str) -> Rejected | None:
    """None when an entry matches. Senders that rotate their secret send several; versions that we do not know are passed over."""
    matched = malformed = known = False
    for entry in given.split(" "):
        version, comma, encoded = entry.partition(",")
        if comma and version != "v1":
            continue
        known = True
        try:
            if not comma:
                raise ValueError("no version")
            signature = base64.b64decode(encoded, validate=True)
        except ValueError:
            malformed = True
            continue
        # No early exit: the time taken says nothing about which entry matched.
        matched |= hmac.compare_digest(expected, signature)
    if matched:
        return None
    if malformed:
        return Rejected(400, "signature_malformed", "webhook-signature must be entries 'v1,<base64>' separated by one space")
    if not known:
        return Rejected(
            401, "signature_unsupported", "webhook-signature has no 'v1' entry; only HMAC-SHA256 (v1) is configured here"
        )
    return Rejected(
        401,
        "signature_mismatch",
        "no signature fits id, timestamp and body: the secret on both sides must be the same, and nothing may rewrite the body on the way",
    )
