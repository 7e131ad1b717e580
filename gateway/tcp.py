"""What the kernel is asked to do for TCP connections: to notice that a peer is gone without a word (keepalive and the user
time-out, on both sides), and to hold little for a client that does not read.
"""

import socket
from typing import Protocol

IDLE_SECONDS = 60
"""Silence before the first probe."""
INTERVAL_SECONDS = 15
PROBES = 4
KEEPALIVE = (IDLE_SECONDS, INTERVAL_SECONDS, PROBES)
GONE_MS = (IDLE_SECONDS + INTERVAL_SECONDS * PROBES) * 1000
"""When a silent peer that answers no probe is given up; one that owes an acknowledgement gets no longer."""
MARGIN_MS = 60_000
"""The kernel leaves a peer that takes nothing to our own time-out for writes, which can tell why."""
UNSENT_BYTES = 128 * 1024
"""What the kernel takes for a client beyond what it can send: enough to keep a fast one busy. By itself it takes several megabytes, so
that some hundred clients that do not read would hold all the memory that a machine has for TCP.
"""


class Tunable(Protocol):
    """A socket, or what uvloop gives of one."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """As of a socket."""


def user_timeout_ms(write_ms: int) -> int:
    """For how long what was sent may stay unacknowledged where a write may take ``write_ms``.

    A peer whose window is closed acknowledges nothing either, however well it is (RFC 5482, and Linux' TCP_USER_TIMEOUT).
    """
    return max(GONE_MS, write_ms + MARGIN_MS)


def hold_little(listening: Tunable) -> None:
    """Bounds what the kernel takes for the connections that are accepted here, which inherit it. Raises OSError."""
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def watch(connection: Tunable, user_timeout: int) -> None:
    """Gives a TCP connection up when its peer is gone. Of a listening socket the accepted ones inherit it. Raises OSError.

    ``user_timeout`` is in milliseconds.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout)
