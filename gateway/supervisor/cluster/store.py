"""Where shared buckets are kept, whatever it is."""

from collections.abc import Sequence
from typing import Protocol

from gateway.supervisor.cluster.bucket import Take, Taken


class StoreError(Exception):
    """The store gave no answer that can be used."""


class Store(Protocol):
    """Where the shared buckets are kept. Every wait has an end."""

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """The answers, in the order of the questions. Raises StoreError: then nobody knows what was heard."""

    async def members(self) -> int:
        """How many gateways there are, this one included; says that it is there. Raises StoreError."""

    async def close(self) -> None:
        """Says that this gateway has left, if it can, and ends its connections."""
