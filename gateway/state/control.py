"""The supervisor's door to the shared memory: making it, and writing instances, members and lanes."""

from gateway._native import Control, Segment

__all__ = ["Control", "Segment"]
