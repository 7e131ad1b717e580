"""How often a proof is repeated: a small count by default, the full one with HEADGATE_PROOF=1 (`make proof`)."""

import os

PROOF = os.environ.get("HEADGATE_PROOF") == "1"
