"""A connection to an instance: a thin end that hands what it hears to the client connection it serves.

The law: it serves one exchange at a time or lies idle in the pool; what it hears while idle ends it.
"""

import asyncio
import errno
from typing import TYPE_CHECKING, Self

from gateway.clock import NANOSECONDS
from gateway.state.lane import Pool, UpstreamFastPath
from gateway.state.sockets import Transport
from gateway.worker.admission import Admission

if TYPE_CHECKING:
    from gateway.worker.ingress import ClientConnection
    from gateway.worker.mirror import Copy


NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
"""A connect that failed with one of these found no descriptor."""
NOT_ASKED = frozenset({errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.ENXIO})
"""Nor is the instance to blame for these: the system opens no connection to anybody, or the instance is configured no
more (ENXIO)."""


class ServicePolicy:
    """What connections to one service's instances go by."""

    __slots__ = ("keepalive_ns", "max_idle", "max_pending", "user_timeout_ms")

    def __init__(self, *, keepalive_ms: int, max_idle: int, max_pending: int, user_timeout_ms: int) -> None:
        self.keepalive_ns = keepalive_ms * NANOSECONDS // 1000
        self.max_idle = max_idle
        self.max_pending = max_pending
        self.user_timeout_ms = user_timeout_ms


class UpstreamConnection(UpstreamFastPath, asyncio.Protocol):
    """One connection to one instance. ``data_received`` is the fast path's."""

    __slots__ = (
        "_admission",
        "_asker",
        "_counted",
        "_pending",
        "_pool",
        "attempt",
        "may_speak",
        "user_timeout_ms",
    )

    client: "ClientConnection | Copy | None"

    def __new__(
        cls,
        instance: int,
        policy: ServicePolicy,
        pool: Pool,  # noqa: ARG004 - __init__ has these three
        admission: Admission,  # noqa: ARG004
        asker: "ClientConnection | Copy",  # noqa: ARG004
    ) -> Self:
        """The fast path has what the pool goes by."""
        return super().__new__(cls, instance, policy.keepalive_ns, policy.max_idle)

    def __init__(
        self,
        instance: int,
        policy: ServicePolicy,
        pool: Pool,
        admission: Admission,
        asker: "ClientConnection | Copy",
    ) -> None:
        """It is counted from here on, before the system is asked for a descriptor, until its first end. ``asker`` waits
        for it.
        """
        # wiring
        self._pool = pool
        self._admission = admission
        self._asker: ClientConnection | Copy | None = asker
        self._counted = self._pending = True
        admission.upstreams += 1
        admission.pending[instance] = admission.pending.get(instance, 0) + 1
        # connection
        self.attempt: Transport | None = None
        """The connection while it is under way."""
        self.may_speak = False
        """It may say something before it is asked, which is no HTTP."""
        self.user_timeout_ms = policy.user_timeout_ms

    # What the transport calls

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # it is one of ours
        """The connection is there."""
        self.attempt = None
        self.transport = transport
        self._settle()
        if self._asker is not None:
            self._asker.instance_connected(self)
            self._asker = None

    def connection_failed(self, error: int) -> None:
        """There will be no connection, for this reason of the system's (errno)."""
        self.attempt = None
        self.discount()
        if self._asker is not None:
            self._asker.instance_unreachable(error)
            self._asker = None

    def eof_received(self) -> bool:
        """The instance will send no more; that may be the end of a response."""
        self._lost(clean=True)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._lost(clean=exc is None)

    def pause_writing(self) -> None:
        """The instance does not take the request as fast as the client sends it."""
        if self.client is not None:
            self.client.instance_full()

    def resume_writing(self) -> None:
        """It takes more."""
        if self.client is not None:
            self.client.instance_drained()

    # What the client's connection calls

    def close(self) -> None:
        """Ends the connection now, whatever is on its way, or gives it up; nobody hears of it again."""
        self.client = self._asker = None
        self._pool.discard(self)
        if self.attempt is not None:
            self.attempt.abort()
        elif hasattr(self, "transport"):
            self.transport.abort()
        self.discount()

    def discount(self) -> None:
        """It takes no descriptor any more, or will not when what is to be called next has been called."""
        if self._counted:
            self._counted = False
            self._admission.upstreams -= 1
            self._settle()

    def _settle(self) -> None:
        """It is under way no more."""
        if self._pending:
            self._pending = False
            self._admission.settled(self.instance)

    def break_off(self) -> None:
        """Ends the connection and the one of the client it serves or was to serve, after a fault."""
        client = self.client or self._asker
        self.close()
        if client is not None:
            client.break_off()

    def _lost(self, *, clean: bool) -> None:
        client = self.client
        self.close()
        if client is not None:
            client.instance_lost(clean=clean)

    def __repr__(self) -> str:
        """One line for logs and tests."""
        state = "idle" if self.client is None else "serving"
        return f"<UpstreamConnection {self.instance & 0xFFFFFFFF} {state}>"
