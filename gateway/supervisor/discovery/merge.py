"""Decides which members a service has when several sources name them: pure, keeps the last good set of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from gateway.model import InstanceAddress, Labels


@dataclass(frozen=True, slots=True)
class Member:
    """An instance as a source names it; no source names one that is disabled, which is for operators to say."""

    address: InstanceAddress
    weight: int = 1
    capacity: int | None = None
    """None is the weight."""
    max_in_flight: int = 0
    """0 is no cap."""
    zone: str | None = None
    labels: Labels = ()
    backup: bool = False
    disabled: bool = False


class Merge:
    """The members of one service, from sources numbered in the order of the configuration."""

    def __init__(self, sources: int) -> None:
        self._sets: list[tuple[Member, ...]] = [()] * sources
        self._members: tuple[Member, ...] = ()

    def update(self, source: int, members: Sequence[Member]) -> tuple[Member, ...] | None:
        """Takes a source's new set, in which no address stands twice; returns the members of the service if that changed
        them, otherwise None.

        An empty set is never applied: a registry that lost its data must not take the service with it.
        """
        if not members:
            return None
        self._sets[source] = tuple(members)
        named = [members for members in self._sets if members]
        merged = _first_of_each(chain.from_iterable(named)) if len(named) > 1 else named[0]
        if merged == self._members:
            return None
        self._members = merged
        return merged


def _first_of_each(members: Iterable[Member]) -> tuple[Member, ...]:
    """Without later mentions of an address: what stands first in the file has the say about its weight."""
    seen: dict[InstanceAddress, Member] = {}
    for member in members:
        seen.setdefault(member.address, member)
    return tuple(seen.values())
