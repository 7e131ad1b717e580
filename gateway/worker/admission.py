"""How many connections a worker may hold below its limit of descriptors: numbers in, decisions out.

The law: an exchange takes two descriptors, its client's and its instance's. So clients get half of them and no more;
then an exchange always finds one for its instance, if only in place of an idle connection to another.
"""

from dataclasses import dataclass
from typing import Self

OWN_DESCRIPTORS = 32
"""For what a worker holds besides connections and listening sockets: streams, memory, channel, the loop's own, the
access log (twice, while it is opened anew); about fifteen, and as much again to spare."""
MOST_SPAN = 128
"""Clients between the two marks, at the most: as many are evicted in one tick, and as many come and go between two
changes of mind."""
NO_LIMIT = 1 << 20
"""Descriptors of a process without a limit; the kernel has one of its own."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the descriptors of a worker suffice for."""

    clients: int
    """Clients at which it stops to accept."""
    resume: int
    """Clients at which it accepts again; above it, those that are at rest give way."""
    connections: int
    """Connections of both kinds."""
    calm: int
    """Connections above which idle ones to instances give way."""

    @classmethod
    def below(cls, limit: int, listening: int) -> Self:
        """Below a limit of descriptors, of which the listening sockets take some."""
        connections = max(2, limit - OWN_DESCRIPTORS - listening)
        clients = connections // 2
        span = min(MOST_SPAN, max(1, clients // 8))
        return cls(clients, clients - span, connections, connections - span)


class Admission:
    """The connections that a worker holds, counted as they come and go, and what follows from their number."""

    __slots__ = ("accepting", "clients", "pending", "room", "upstreams")

    def __init__(self) -> None:
        self.room = Room.below(NO_LIMIT, 0)
        self.clients = 0
        self.upstreams = 0
        """Connections to instances, those under way included."""
        self.pending: dict[int, int] = {}
        """How many of them are under way, by instance."""
        self.accepting = True

    def settled(self, instance: int) -> None:
        """A connection to the instance is under way no more: it is there, or will not be."""
        left = self.pending[instance] - 1
        if left:
            self.pending[instance] = left
        else:
            del self.pending[instance]

    def came(self) -> bool:
        """A client is here. True: with so many connections something may have to be done."""
        self.clients += 1
        return self.clients >= self.room.clients or self.clients + self.upstreams >= self.room.connections

    def went(self) -> bool:
        """A client is gone. True: so others that wait may come."""
        self.clients -= 1
        return not self.accepting

    def changes_mind(self) -> bool:
        """Shall the worker accept from now on, or stop to? False: all is as it was; ``accepting`` tells how."""
        accepting = self.clients < (self.room.clients if self.accepting else self.room.resume + 1)
        changed, self.accepting = accepting != self.accepting, accepting
        return changed

    @property
    def is_full(self) -> bool:
        """Is there no descriptor for one more connection?"""
        return self.clients + self.upstreams >= self.room.connections

    def surplus_upstreams(self) -> int:
        """Idle connections to instances that give way now, as far as there are so many."""
        return max(0, self.clients + self.upstreams - self.room.calm)

    def surplus_clients(self) -> int:
        """Clients at rest that give way now, as far as there are so many."""
        return max(0, self.clients - self.room.resume)

    def __repr__(self) -> str:
        state = "accepting" if self.accepting else "waiting"
        return f"<Admission {state}: {self.clients} clients, {self.upstreams} upstreams>"
