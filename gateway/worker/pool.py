"""Idle connections to instances, the most recently used one first.

The pool decides and does no I/O: what it returns is to be closed by the caller.
"""

from collections import OrderedDict
from itertools import islice
from typing import Generic, Protocol, TypeVar

MAX_IDLE = 1024
"""Idle connections that one worker keeps over all services; each costs a file descriptor here and one at its instance."""


class Poolable(Protocol):
    """What the pool must know of a connection."""

    instance: int
    """Key of the instance it leads to."""
    max_idle: int
    """Idle connections kept for that instance."""
    keepalive_ns: int
    """How long it may be idle, in nanoseconds: less than the instance's own time-out, or the two race."""
    idle_since: int
    """When it was given back, in nanoseconds."""


C = TypeVar("C", bound=Poolable)


class Pool(Generic[C]):
    """The idle connections of one worker, keyed by instance, and in the order they were given back."""

    def __init__(self, max_idle: int = MAX_IDLE) -> None:
        self._max_idle = max_idle
        self._by_instance: dict[int, list[C]] = {}
        self._oldest_first: OrderedDict[C, None] = OrderedDict()

    def take(self, instance: int) -> C | None:
        """The connection to the instance that was used last, which no longer belongs to the pool."""
        idle = self._by_instance.get(instance)
        if not idle:
            return None
        connection = idle.pop()
        del self._oldest_first[connection]
        return connection

    def give(self, connection: C, now: int) -> C | None:
        """Takes a connection that stands at a message boundary; returns one to close when there are too many."""
        if connection.max_idle == 0:
            return connection
        idle = self._by_instance.get(connection.instance)
        if idle is None:
            idle = self._by_instance[connection.instance] = []
        connection.idle_since = now
        idle.append(connection)
        self._oldest_first[connection] = None
        if len(idle) > connection.max_idle:
            return self._remove(idle[0])
        if len(self._oldest_first) > self._max_idle:
            return self._remove(next(iter(self._oldest_first)))
        return None

    def discard(self, connection: C) -> None:
        """Forgets a connection that has closed by itself, if it is here."""
        if connection in self._oldest_first:
            self._remove(connection)

    def expired(self, now: int) -> list[C]:
        """Removes and returns the connections that were idle for too long."""
        old = [one for one in self._oldest_first if one.idle_since + one.keepalive_ns <= now]
        removed = [self._remove(connection) for connection in old]
        # ``take`` leaves an empty list for the connection that comes back; it may never, with its instance gone.
        for instance in [instance for instance, idle in self._by_instance.items() if not idle]:
            del self._by_instance[instance]
        return removed

    def evict(self, most: int) -> list[C]:
        """Removes and returns so many, or all there are: the least recently used."""
        return [self._remove(connection) for connection in list(islice(self._oldest_first, most))]

    def clear(self) -> list[C]:
        """Removes and returns all."""
        return [self._remove(connection) for connection in list(self._oldest_first)]

    def _remove(self, connection: C) -> C:
        del self._oldest_first[connection]
        idle = self._by_instance[connection.instance]
        idle.remove(connection)
        if not idle:
            del self._by_instance[connection.instance]
        return connection

    def __len__(self) -> int:
        return len(self._oldest_first)

    def __repr__(self) -> str:
        return f"<Pool {len(self)} idle to {sum(map(bool, self._by_instance.values()))} instances>"
