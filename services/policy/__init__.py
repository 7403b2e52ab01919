"""Decides what may be done, and redacts what leaves the house."""

# Before anything else of ours: regopy brings an allocator of its own, and frees only what came from it. Were the C++ runtime loaded earlier by
# another extension (aiohttp's, which the broker's client imports), its strings would come from the C library, and each decision of the embedded
# evaluator would leak them: 50 kB with the shipped rules, 2 MB where rules are monitored.
import regopy

__all__ = ["regopy"]
