"""The command runs against the gateway of the gateway's own suite: served, with stand-ins behind it."""

from tests.services.gateway.conftest import edge

__all__ = ["edge"]
