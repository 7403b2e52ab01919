"""Measuring on a machine whose processors are lent to others now and then."""

import time

PROBE_S = 0.04
LEAST_SHARE = 0.95
"""Of the time that the probe took, on a processor."""
PAUSE_S = 0.25


def wait_until_quiet(limit_s: float) -> float:
    """Wait until this process gets a processor for itself, but no longer than ``limit_s``; how long it waited, in seconds.

    Ask before a sample, never after it: to leave out the samples that were disturbed would leave out the long ones.
    """
    began = time.perf_counter()
    while _share() < LEAST_SHARE and time.perf_counter() - began < limit_s:
        time.sleep(PAUSE_S)
    return time.perf_counter() - began


def _share() -> float:
    began, worked = time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - began) < PROBE_S:
        pass
    return (time.process_time() - worked) / passed
