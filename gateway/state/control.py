"""The supervisor's door to the shared memory: making it, writing instances, members and lanes, keeping
stocks, judging a snapshot.
"""

from gateway._native import (
    HEALTH_DISABLED,
    HEALTH_EJECTED,
    HEALTH_HEALTHY,
    HEALTH_UNHEALTHY,
    HEALTH_UNKNOWN,
    MOST_IN_STOCK,
    Control,
    Segment,
    Snapshot,
    Stocks,
)

__all__ = [
    "HEALTH_DISABLED",
    "HEALTH_EJECTED",
    "HEALTH_HEALTHY",
    "HEALTH_UNHEALTHY",
    "HEALTH_UNKNOWN",
    "MOST_IN_STOCK",
    "Control",
    "Segment",
    "Snapshot",
    "Stocks",
]
