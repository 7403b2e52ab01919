"""What each role may do, as the active rules say: policy asks them and tells the gateway."""

from agentos.contracts.base import Contract


class Permissions(Contract):
    """Entry ``roles`` of bucket ``permissions``. ``version`` is the bundle's, 0 for the shipped rules; a lower one never replaces a higher."""

    version: int
    revision: str
    roles: dict[str, tuple[str, ...]]
    """Role → actions, both sorted."""
