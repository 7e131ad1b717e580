"""The supervisor's door to the shared memory: making it, and writing instances, members and lanes."""

from gateway._native import (
    HEALTH_DISABLED,
    HEALTH_HEALTHY,
    HEALTH_UNHEALTHY,
    HEALTH_UNKNOWN,
    Control,
    Segment,
)

__all__ = [
    "HEALTH_DISABLED",
    "HEALTH_HEALTHY",
    "HEALTH_UNHEALTHY",
    "HEALTH_UNKNOWN",
    "Control",
    "Segment",
]
