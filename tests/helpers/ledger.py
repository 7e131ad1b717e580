"""Clients that keep books: which requests were under way at a kill, which of them failed, and who had to wait how long."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.helpers.client import HasPort

PATIENCE_SECONDS = 20.0
"""A request without an answer for so long has failed."""
PAUSE_SECONDS = 0.05
"""The longest pause between two requests of a client, and the one after a failure."""
SLOW_SECONDS = 0.8
"""An exchange that takes longer is remembered with its details. A stopped worker is noticed after half a second."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request: when it was begun, and what became of it. ``error`` is None while it is under way and when it was
    answered well.
    """

    begun: float
    kept: bool
    """On a connection that had carried another one."""
    connected: float | None = None
    """When its new connection was there."""
    port: int = 0
    """The client's."""
    ended: float | None = None
    error: str | None = None

    @property
    def waited(self) -> float:
        """Seconds until now, or until it ended."""
        return (time.monotonic() if self.ended is None else self.ended) - self.begun

    @property
    def is_slow(self) -> bool:
        """Does it take long?"""
        return self.waited > SLOW_SECONDS

    def describe(self) -> str:
        """One line, with the time of day as logs have it."""
        clock = time.time() - time.monotonic() + self.begun
        begun = f"{time.strftime('%H:%M:%S', time.localtime(clock))},{int(clock * 1000) % 1000:03d}"
        there = (
            "on a kept one" if self.connected is None else f"there after {self.connected - self.begun:.3f} s"
        )
        return f"begun at {begun}, connection from port {self.port} {there}, over after {self.waited:.3f} s"


@dataclass(slots=True)
class Kill:
    """A process that was killed, and the requests that were under way between the signal and its death."""

    under_way: set[Exchange]
    took: float = 0.0
    """Seconds until every socket of the process was closed."""


@dataclass(slots=True)
class Ledger:
    """What all clients of a test did."""

    under_way: set[Exchange] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)
    failed: list[Exchange] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    longest_wait: float = 0.0
    """From the first step of the connect to the last byte of the answer, of those that were answered."""
    slow: list[Exchange] = field(default_factory=list)
    """Those that were answered, and late."""
    _killing: Kill | None = None

    def begin(self, *, kept: bool) -> Exchange:
        """A request is about to be made."""
        exchange = Exchange(time.monotonic(), kept)
        self.under_way.add(exchange)
        if self._killing is not None:
            self._killing.under_way.add(exchange)
        return exchange

    def end(self, exchange: Exchange, status: int) -> None:
        """It was answered."""
        self._close(exchange)
        self.answers[status] += 1
        self.longest_wait = max(self.longest_wait, exchange.waited)
        if exchange.is_slow:
            self.slow.append(exchange)
        if status != 200:
            exchange.error = f"status {status}"
            self.failed.append(exchange)

    def fail(self, exchange: Exchange, error: str) -> None:
        """It was not."""
        self._close(exchange)
        exchange.error = error
        self.failed.append(exchange)

    def _close(self, exchange: Exchange) -> None:
        exchange.ended = time.monotonic()
        self.under_way.discard(exchange)

    async def kill(self, pid: int) -> Kill:
        """SIGKILL, and the wait for the death: a dying process has closed its sockets when its pidfd says so."""
        begun = time.monotonic()
        self._killing = kill = Kill(set(self.under_way))
        self.kills.append(kill)
        pidfd = os.pidfd_open(pid)
        dead = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(pidfd, dead.set)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            await asyncio.wait_for(dead.wait(), PATIENCE_SECONDS)
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self._killing = None
        kill.took = time.monotonic() - begun
        return kill

    @property
    def under_way_at_kills(self) -> int:
        """How many requests the kills may have cost at the most."""
        return sum(len(kill.under_way) for kill in self.kills)

    def assert_only_kills_cost(self) -> None:
        """Every request that failed was under way at a kill."""
        excused = set[Exchange]().union(*(kill.under_way for kill in self.kills))
        unexcused = [exchange for exchange in self.failed if exchange not in excused]
        assert not unexcused, (
            f"{len(unexcused)} of {len(self.failed)} failures were no kill's: {unexcused[:5]}"
        )


class Connection(asyncio.Protocol):
    """One client connection that carries one request at a time and counts no byte twice."""

    def __init__(self) -> None:
        self.lost = False
        self.port = 0
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bool]] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.port = int(transport.get_extra_info("sockname")[1])

    def data_received(self, data: bytes) -> None:
        """Completes the answer with its last byte."""
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end or self._answer is None or self._answer.done():
            return
        fields = head.lower()
        length = int(fields.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if len(rest) >= length:
            self._answer.set_result((int(head.split()[1]), b"connection: close" in fields))

    def eof_received(self) -> bool:
        """The gateway ends it: it carries no further request."""
        self.lost = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The answer, if one was awaited, does not come any more."""
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the connection ended without an answer"))

    async def ask(self, request: bytes) -> int:
        """Sends a request and returns the status of its answer; afterwards ``lost`` tells whether that was the last."""
        assert self._transport is not None
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        status, last = await asyncio.wait_for(self._answer, PATIENCE_SECONDS)
        self.lost = self.lost or last
        return status

    def close(self) -> None:
        """Ends it."""
        if self._transport is not None:
            self._transport.abort()


class Callers:
    """Clients that ask until they are told to stop, each with a pause after every answer as long as it waited.

    So a client that could keep one place busy keeps it half busy. ``new_connections``: one request a connection.
    """

    def __init__(
        self, gateway: HasPort, ledger: Ledger, *, method: str = "POST", new_connections: bool = False
    ) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._new_connections = new_connections
        self._request = f"{method} / HTTP/1.1\r\nHost: caller\r\nContent-Length: 0\r\n\r\n".encode()
        self._stopping = False

    @contextlib.asynccontextmanager
    async def calling(self, clients: int) -> AsyncIterator[None]:
        """So many clients, from entering to leaving; those under way then are answered first."""
        tasks = [asyncio.create_task(self._call()) for _ in range(clients)]
        try:
            yield
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)

    async def _call(self) -> None:
        connection: Connection | None = None
        while not self._stopping:
            if connection is not None and (connection.lost or self._new_connections):
                connection.close()
                connection = None
            exchange = self._ledger.begin(kept=connection is not None)
            try:
                if connection is None:
                    connection = await self._connect()
                    exchange.connected = time.monotonic()
                exchange.port = connection.port
                self._ledger.end(exchange, await connection.ask(self._request))
            except (OSError, TimeoutError) as error:
                self._ledger.fail(exchange, repr(error))
                if connection is not None:
                    connection.close()
                    connection = None
            await asyncio.sleep(PAUSE_SECONDS if exchange.error else min(PAUSE_SECONDS, exchange.waited))
        if connection is not None:
            connection.close()

    async def _connect(self) -> Connection:
        _, connection = await asyncio.wait_for(
            asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._gateway.port),
            PATIENCE_SECONDS,
        )
        return connection
