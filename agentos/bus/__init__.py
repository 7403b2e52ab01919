"""JetStream as AgentOS uses it."""

from agentos.bus.bus import Appended, Bus
from agentos.bus.consume import Route
from agentos.bus.kv import Entry, KeyValue
from agentos.bus.live_copy import LiveCopy
from agentos.bus.persistence import keep_trying
from agentos.bus.settings import BrokerSettings
from agentos.bus.tail import Raw, Tail

__all__ = ["Appended", "BrokerSettings", "Bus", "Entry", "KeyValue", "LiveCopy", "Raw", "Route", "Tail", "keep_trying"]
