"""What a verification comes to."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Verified:
    """The delivery is genuine. ``identity`` is the signed part of it that makes it this delivery and no other."""

    identity: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The delivery is refused: 401 where the signature does not vouch for it, 400 where it cannot even be read."""

    status: Literal[400, 401]
    code: str
    detail: str


Verdict = Verified | Rejected
