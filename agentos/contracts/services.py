"""The services there are."""

SERVICES = ("gateway", "orchestrator", "router", "policy", "gates", "runner", "worker", "ledger")
"""Every service is also a broker user of the same name."""


KILLABLE = ("policy", "router", "gates", "runner", "worker")
"""The services that ask the kill switch before they start anything."""
