"""How often a proof is repeated: a small count by default, the full one with HEADGATE_PROOF=1."""

import os

import pytest

PROOF = os.environ.get("HEADGATE_PROOF") == "1"


@pytest.fixture(scope="session")
def proof() -> bool:
    """Is this the full proof?"""
    return PROOF
