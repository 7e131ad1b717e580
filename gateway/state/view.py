"""The readers' door to the shared memory: sums over all workers, for status and metrics."""

from gateway._native import COUNTERS, DURATION_BOUNDS, LIMIT_DECISIONS, PASS_ENDS, WAIT_ENDS, View

__all__ = ["COUNTERS", "DURATION_BOUNDS", "LIMIT_DECISIONS", "PASS_ENDS", "WAIT_ENDS", "View"]
