"""Where a request really comes from: the connection's other end, or what a proxy that is trusted says of it."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

Network = IPv4Network | IPv6Network
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


class Peers:
    """``trusted`` are the proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed."""

    def __init__(self, trusted: Sequence[Network], public_url: str | None) -> None:
        self._trusted = tuple(trusted)
        self._public = urlsplit(public_url) if public_url else None

    def address(self, request: HTTPConnection) -> str:
        """The sender's address: the last one that no trusted proxy added for another proxy of ours."""
        peer = request.client.host if request.client is not None else ""
        if not self._is_proxy(peer):
            return peer
        for hop in reversed([part.strip() for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]):
            if not _is_address(hop):
                return peer
            peer = hop
            if not self._is_proxy(hop):
                break
        return peer

    def secure(self, request: HTTPConnection) -> bool:
        """Whether the sender speaks TLS, to us or to the proxy in front."""
        if self._public is not None:
            return self._public.scheme == "https"
        peer = request.client.host if request.client is not None else ""
        if self._is_proxy(peer) and request.headers.get("x-forwarded-proto", "").strip().lower() == "https":
            return True
        return request.scope.get("scheme", "http") in ("https", "wss")

    def on_this_machine(self, request: HTTPConnection) -> bool:
        """Whether the sender sits at this machine: no proxy between, and no name in Host that a foreign page could have made up."""
        peer = request.client.host if request.client is not None else ""
        if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via")):
            return False
        host = request.headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return _is_address(peer) and ip_address(peer).is_loopback and name.lower() in _LOOPBACK_NAMES

    def same_origin(self, request: HTTPConnection) -> bool:
        """Whether a browser that sends this was on a page of ours. Programs say nothing of an origin, and pass."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return True
        said = urlsplit(origin)
        ours = {request.headers.get("host", "").lower()}
        if self._public is not None:
            ours.add(self._public.netloc.lower())
        return said.scheme in ("http", "https") and said.netloc.lower() in ours

    def origin(self, request: HTTPConnection) -> str:
        """Where browsers find this gateway."""
        if self._public is not None:
            return f"{self._public.scheme}://{self._public.netloc}"
        return f"{'https' if self.secure(request) else 'http'}://{request.headers.get('host', 'localhost')}"

    def _is_proxy(self, address: str) -> bool:
        return bool(self._trusted) and _is_address(address) and any(ip_address(address) in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


__all__ = ["Network", "Peers"]
