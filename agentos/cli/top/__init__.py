"""``agentos top``: tasks, approvals, spend and the kill switch in a terminal, live."""

__all__: list[str] = []
