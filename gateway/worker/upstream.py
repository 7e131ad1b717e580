"""A connection to an instance: a thin end that hands what it hears to the client connection it serves.

The law: it serves one exchange at a time or lies idle in the pool; what it hears while idle ends it.
"""

import asyncio
import errno
from enum import Enum
from typing import TYPE_CHECKING, Self

from gateway.clock import NANOSECONDS
from gateway.worker.transport import take_up

if TYPE_CHECKING:
    from gateway.worker.ingress import ClientConnection
    from gateway.worker.pool import Pool


OWN_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Why the system opens no connection to anybody: no instance is to blame."""


class NoConnection(Enum):
    """Why there is no connection to an instance."""

    REFUSED = "refused"
    """The instance does not take one, or cannot be reached."""
    OURS = "ours"
    """It was not asked."""

    @classmethod
    def because_of(cls, error: OSError) -> Self:
        """What the error of a connect means."""
        return cls("ours" if error.errno in OWN_SHORTAGES else "refused")


class ServicePolicy:
    """What connections to one service's instances go by."""

    __slots__ = ("keepalive_ns", "max_idle", "user_timeout_ms")

    def __init__(self, *, keepalive_ms: int, max_idle: int, user_timeout_ms: int) -> None:
        self.keepalive_ns = keepalive_ms * NANOSECONDS // 1000
        self.max_idle = max_idle
        self.user_timeout_ms = user_timeout_ms


class UpstreamConnection(asyncio.Protocol):
    """One connection to one instance."""

    __slots__ = ("_pool", "client", "idle_since", "instance", "keepalive_ns", "max_idle", "transport")

    transport: asyncio.Transport

    def __init__(self, instance: int, policy: ServicePolicy, pool: "Pool[UpstreamConnection]") -> None:
        # wiring
        self._pool = pool
        # connection
        self.instance = instance
        self.max_idle = policy.max_idle
        self.keepalive_ns = policy.keepalive_ns
        self.idle_since = 0
        # exchange
        self.client: ClientConnection | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self.transport = take_up(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of a response, or of nothing that was asked for."""
        if self.client is not None:
            self.client.instance_sent(data)
        else:
            self.close()

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
        """Ends the connection now, whatever is on its way; nobody hears of it again."""
        self.client = None
        self._pool.discard(self)
        self.transport.abort()

    def abandon(self) -> None:
        """Nobody waits for this connection any more, whether it was made by now or not."""
        if hasattr(self, "transport"):
            self.close()

    def break_off(self) -> None:
        """Ends the connection and the one of the client it serves, after a fault."""
        client = self.client
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
