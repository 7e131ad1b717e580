"""How often a proof is repeated: a small count by default, the full one with HEADGATE_PROOF=1 (`make proof`)."""

import os

PROOF = os.environ.get("HEADGATE_PROOF") == "1"


def promptly(seconds: float) -> float:
    """The bound of a promise about time. A proof has the machine to itself; any other run may share it, and gets more."""
    return seconds if PROOF else 10 * seconds
