"""The data plane of one worker: what its connections share, its tick, and its drain."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from gateway import tcp
from gateway.clock import NANOSECONDS, monotonic_ns, wall_ns
from gateway.state.lane import Lane, Snapshot
from gateway.worker.access_log import AccessLog
from gateway.worker.faults import Faults
from gateway.worker.ingress import ClientConnection
from gateway.worker.pool import Pool
from gateway.worker.short_clock import ShortClock
from gateway.worker.tunnel import Tunnel
from gateway.worker.upstream import NoConnection, ServicePolicy, UpstreamConnection

log = logging.getLogger("headgate.worker")

TICK_SECONDS = 0.05
"""How often deadlines are swept and the heartbeat is written: coarse enough to cost nothing, fine enough for
time-outs that are given in seconds."""
POOL_SWEEP_TICKS = 20
"""Ticks between two looks for upstream connections that were idle too long."""
IDLE_GRACE_NS = NANOSECONDS
"""How long idle clients are kept when a drain begins. A close at once would cross the next request of a busy client on
its way, and that request would be lost; this one is answered, and told that it was the last."""
NEWCOMER_SECONDS = 1.0
"""How long a client that connected while the worker drains has for the beginning of its request."""


class LaneLostError(Exception):
    """The supervisor has given this worker's lane away: it must not write there again."""


class DataPlane:
    """Everything that the connections of one worker have in common."""

    def __init__(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        self.lane = lane
        self.loop = loop
        self.faults = Faults(lane)
        self.access_log = AccessLog(lane, loop.call_soon)
        self.pool: Pool[UpstreamConnection] = Pool()
        self.short_clock = ShortClock(loop)
        self._connections: list[ClientConnection | Tunnel | None] = []
        self._open = 0
        self._policies: dict[int, ServicePolicy] = {}
        self._ticks = 0
        self._emptied: asyncio.Event | None = None
        self._keep_idle_until = 0
        self._newcomers: set[ClientConnection] = set()

    # Configuration

    def adopt(self, snapshot: Snapshot, services: list[Mapping[str, Any]]) -> None:
        """Every request from now on is decided by this snapshot; ``services`` is its part for the connection pool."""
        self.lane.adopt(snapshot)
        self.lane.tick(monotonic_ns(), wall_ns())  # the lane shows the epoch before it is acknowledged
        # Added to what is there: an exchange may still want a connection to a service that is configured no more.
        self._policies |= {
            service["slot"]: ServicePolicy(
                keepalive_ms=service["keepalive_timeout_ms"],
                max_idle=service["max_idle"],
                user_timeout_ms=service["user_timeout_ms"],
            )
            for service in services
        }

    # Client connections

    def opened(self, connection: ClientConnection, index: int) -> None:
        """A client connection exists, under a number of the engine's choice: the next one, or one that was free."""
        if index == len(self._connections):
            self._connections.append(connection)
        else:
            self._connections[index] = connection
        self._open += 1
        if self._emptied is not None:
            self._emptied.clear()
            self._newcomers.add(connection)
            self.loop.call_later(NEWCOMER_SECONDS, self._newcomers.discard, connection)

    def replaced(self, index: int, tunnel: Tunnel) -> None:
        """A client connection has become a tunnel, under the same number."""
        self._connections[index] = tunnel

    def closed(self, index: int) -> None:
        """A client connection, or the tunnel that it became, has ended."""
        self._connections[index] = None
        self._open -= 1
        if self._open == 0 and self._emptied is not None:
            self._emptied.set()

    # Connections to instances

    async def connect(self, instance: int, service: int) -> UpstreamConnection | NoConnection:
        """A new connection to an instance, or why there is none; the deadline is the caller's, who cancels."""
        address = self.lane.address(instance)
        policy = self._policies.get(service)
        if address is None or policy is None:
            return NoConnection.OURS  # the instance or its service is gone since the decision
        connection = UpstreamConnection(instance, policy, self.pool)
        try:
            if isinstance(address, str):
                await self.loop.create_unix_connection(lambda: connection, address)
            else:
                transport, _ = await self.loop.create_connection(lambda: connection, *address)
                tcp.watch(transport.get_extra_info("socket"), policy.user_timeout_ms)
        except OSError as error:
            return NoConnection.because_of(error)
        except BaseException:
            connection.abandon()
            raise
        # An instance that hangs up, or speaks before it was asked, has ended the connection by now.
        return NoConnection.REFUSED if connection.transport.is_closing() else connection

    # The clock

    async def run(self) -> None:
        """Ticks until cancelled. Raises LaneLostError."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Heartbeat, deadlines, the access log, and now and then the pool."""
        now = monotonic_ns()
        if not self.lane.tick(now, wall_ns()):
            raise LaneLostError("the lane belongs to another worker now")
        for index in self.lane.expired(now):
            connection = self._connections[index]
            if connection is not None:
                self._expire(connection)
        self.access_log.flush()
        if self._emptied is not None and now >= self._keep_idle_until:
            self._close_idle()
        self._ticks += 1
        if self._ticks % POOL_SWEEP_TICKS == 0:
            for upstream in self.pool.expired(now):
                upstream.close()

    def _expire(self, connection: ClientConnection | Tunnel) -> None:
        try:
            connection.deadline_passed()
        except BaseException as error:
            self.faults.cost(connection, error)

    # The end

    def start_drain(self) -> None:
        """From now on every answer is its connection's last, and a connection without an exchange is closed soon."""
        self.lane.drain()
        self._emptied = asyncio.Event()
        self._keep_idle_until = monotonic_ns() + IDLE_GRACE_NS

    async def emptied(self, exchanges: float, tunnels: float) -> bool:
        """Waits for the last connection of a drain, and cuts what is left after so many seconds: exchanges with a reset,
        tunnels without. True if there was nothing to cut.
        """
        passed, clean = 0.0, True
        for bound in sorted((exchanges, tunnels)):
            if await self._empty_within(bound - passed):
                return clean
            passed = bound
            if bound >= exchanges:
                self._close_idle()
                await asyncio.sleep(0)  # their ends are called
            clean = not self._cut(exchanges=bound >= exchanges, tunnels=bound >= tunnels) and clean
            await asyncio.sleep(0)  # their ends are called and counted
        return clean

    async def _empty_within(self, seconds: float) -> bool:
        assert self._emptied is not None, "the drain has started"
        if self._open == 0:
            return True
        try:
            await asyncio.wait_for(self._emptied.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _cut(self, *, exchanges: bool, tunnels: bool) -> int:
        """Ends the connections of these kinds; how many there were."""
        left = [one for one in self._left() if (tunnels if isinstance(one, Tunnel) else exchanges)]
        if left:
            log.warning("%d connections were cut at the end of the drain", len(left))
        for connection in left:
            connection.break_off()
        return len(left)

    async def deserted(self, timeout: float) -> None:  # noqa: ASYNC109 - the bound is the operator's, not the caller's
        """Waits until no client is connected, for ``timeout`` seconds at the most."""
        for _ in range(round(timeout / TICK_SECONDS)):
            if self._open == 0:
                return
            await asyncio.sleep(TICK_SECONDS)

    def _close_idle(self) -> None:
        for connection in self._left():
            if connection not in self._newcomers:
                connection.close_if_idle()

    def _left(self) -> list[ClientConnection | Tunnel]:
        return [connection for connection in self._connections if connection is not None]
