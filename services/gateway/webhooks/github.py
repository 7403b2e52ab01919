"""GitHub's webhook signature: ``X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the raw body>``.

GitHub signs the body alone: the delivery id and the event name are not covered, so neither can tell a replay from a new
delivery. The identity is therefore the digest of the body.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

from services.gateway.webhooks.verdict import Rejected, Verdict, Verified

SIGNATURE = "x-hub-signature-256"
_FORM = re.compile(r"sha256=([0-9a-fA-F]{64})")


def verify(secret: bytes, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Whether ``body`` was signed with ``secret``. ``headers`` have lower-case names; comparison takes constant time."""
    given = headers.get(SIGNATURE)
    if not given:
        return Rejected(401, "signature_missing", "send X-Hub-Signature-256; set a secret in the webhook's settings on GitHub")
    form = _FORM.fullmatch(given)
    if form is None:
        return Rejected(
            400, "signature_malformed", "X-Hub-Signature-256 must be one 'sha256=' followed by 64 hexadecimal digits"
        )
    expected = hmac.new(secret, body, hashlib.sha256).digest()
    if not hmac.compare_digest(expected, bytes.fromhex(form[1])):
        return Rejected(
            401,
            "signature_mismatch",
            "the signature does not fit the body: the secret on both sides must be the same, and nothing may rewrite the body on the way",
        )
    return Verified(hashlib.sha256(body).hexdigest())


def sign(secret: bytes, body: bytes) -> str:
    """The header value for ``body``."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
