"""Benchmarks: each prints ratios measured in one run against a named floor or peer. See README.md."""
