"""The load of the latency workload: requests sent when they are due, whether or not earlier ones have been answered.

Every request has its time from the start, evenly spaced, and its latency counts from then: what waits because the
gateway is late counts as the gateway's latency, so that no omission is coordinated with it. Timers of milliseconds, as
most load generators have them, would send bursts of dozens and measure the bursts.
"""

import ctypes
import gc
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.peers.job import Workload
from bench.peers.load import LoadError, is_whole

_CONNECTIONS = 256
"""Enough that a request finds one free unless the gateway is late by many milliseconds."""
_GRACE_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_RECEIVE_BYTES = 65536
_PR_SET_TIMERSLACK = 29
_DEFAULT_SLACK_NS = 50_000


@dataclass(frozen=True, slots=True)
class Latencies:
    """Nanoseconds from when each request was due to the last byte of its answer, in ascending order."""

    ordered: Sequence[int]

    def percentile(self, percent: float) -> float:
        """Microseconds within which so many of 100 requests were answered (nearest rank)."""
        rank = max(1, -(-len(self.ordered) * percent // 100))
        return self.ordered[int(rank) - 1] / 1000


class _Client:
    """One connection, and the request that is under way on it."""

    __slots__ = ("due", "number", "received", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.number = 0
        self.due = 0.0
        self.received = b""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What became of some time of load."""

    latencies: Sequence[int]
    """Nanoseconds, in the order in which the requests were due."""
    woke_late_ns: int
    """By how much the load generator overslept at the most: the machine gave its core to others, or did not run at all."""


class OpenLoop:
    """A client of one gateway, with its connections. Of a stretch, request n is due ``n * interval`` nanoseconds after its start."""

    def __init__(self, clients: Sequence[_Client], epoll: select.epoll, workload: Workload) -> None:
        self._by_descriptor = {client.socket.fileno(): client for client in clients}
        self._free = deque(clients)
        self._epoll = epoll
        self._request = workload.head + b"x" * workload.request_bytes
        self._body_bytes = workload.response_bytes

    def run(self, rate: float, total: int) -> Stretch:
        """So many requests, ``rate`` in a second; all of them are answered when it returns. Raises LoadError."""
        with _failing_as_load():
            return self._run(rate, total)

    def _run(self, rate: float, total: int) -> Stretch:
        clock = time.perf_counter_ns
        latencies = [0] * total
        interval = 1e9 / rate
        sent = answered = woke_late = 0
        start = clock()
        deadline = start + total * interval + _GRACE_SECONDS * 1e9
        while answered < total:
            now = clock()
            while self._free and sent < total and start + sent * interval <= now:
                self._send(sent, start + sent * interval)
                sent += 1
            ready = self._epoll.poll(0)
            for descriptor, _ in ready:
                client = self._by_descriptor[descriptor]
                if self._receive(client):
                    latencies[client.number] = int(clock() - client.due)
                    answered += 1
            if now > deadline:
                raise LoadError(f"{total - answered} requests are not answered {_GRACE_SECONDS:.0f} s later")
            if not ready:
                may_send = self._free and sent < total
                woke_late = max(
                    woke_late, self._sleep(start + sent * interval if may_send else clock() + 1e8)
                )
        return Stretch(latencies, woke_late)

    def _send(self, number: int, due: float) -> None:
        client = self._free.popleft()  # the longest idle: all of them are used, as by many clients
        client.number, client.due = number, due
        if client.socket.send(self._request) != len(self._request):
            raise LoadError("a request does not fit into the buffer of its socket")

    def _receive(self, client: _Client) -> bool:
        """Takes what came; true when the answer is whole."""
        data = client.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise LoadError("a connection was closed")
        client.received += data
        if not is_whole(client.received, self._body_bytes):
            return False
        client.received = b""
        self._free.append(client)
        return True

    def _sleep(self, until: float) -> int:
        """Until an answer comes in, at the latest until then; the time-out of ``epoll`` itself has whole milliseconds only.

        By how many nanoseconds it was later than that: less than 0 when an answer came in.
        """
        nanoseconds = until - time.perf_counter_ns()
        if nanoseconds <= 0:
            return 0
        select.select([self._epoll], [], [], nanoseconds / 1e9)
        return int(time.perf_counter_ns() - until)


def run(port: int, workload: Workload, rate: float, *, warm_up_seconds: float, seconds: float) -> Latencies:
    """Sends ``rate`` requests per second on the caller's core; the latencies of the warm-up are left out."""
    skipped = int(rate * warm_up_seconds)
    with precise_timers(), connected(port, workload) as load:
        stretch = load.run(rate, skipped + int(rate * seconds))
    return Latencies(sorted(stretch.latencies[skipped:]))


@contextmanager
def connected(port: int, workload: Workload, connections: int = _CONNECTIONS) -> Iterator[OpenLoop]:
    """So many connections, open until the end of the block. Raises LoadError.

    Together with what else is open they are to be fewer than 1,000: ``select`` takes no descriptor above 1,023.
    """
    with ExitStack() as opened:
        with _failing_as_load():
            epoll = opened.enter_context(select.epoll())
            clients = [_connected(port, opened, epoll) for _ in range(connections)]
        yield OpenLoop(clients, epoll, workload)


@contextmanager
def _failing_as_load() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LoadError(f"a connection failed: {error}") from error


def _connected(port: int, opened: ExitStack, epoll: select.epoll) -> _Client:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_SECONDS)
    opened.enter_context(connection)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    epoll.register(connection, select.EPOLLIN)
    return _Client(connection)


@contextmanager
def precise_timers() -> Iterator[None]:
    """Without the kernel's slack of 50 µs for timers, and without pauses for the garbage collector."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        prctl(_PR_SET_TIMERSLACK, _DEFAULT_SLACK_NS, 0, 0, 0)
