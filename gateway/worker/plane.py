"""The data plane of one worker: what its connections share, its tick, and its drain."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from gateway.clock import monotonic_ns, wall_seconds
from gateway.state.lane import Lane, Snapshot
from gateway.worker.ingress import ClientConnection
from gateway.worker.pool import Pool
from gateway.worker.upstream import ServicePolicy, UpstreamConnection

log = logging.getLogger("headgate.worker")

TICK_SECONDS = 0.05
"""How often deadlines are swept and the heartbeat is written: coarse enough to cost nothing, fine enough for
time-outs that are given in seconds."""
POOL_SWEEP_TICKS = 20
"""Ticks between two looks for upstream connections that were idle too long."""


class LaneLostError(Exception):
    """The supervisor has given this worker's lane away: it must not write there again."""


class DataPlane:
    """Everything that the connections of one worker have in common."""

    def __init__(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        self.lane = lane
        self.loop = loop
        self.pool: Pool[UpstreamConnection] = Pool()
        self._connections: list[ClientConnection | None] = []
        self._open = 0
        self._policies: dict[int, ServicePolicy] = {}
        self._ticks = 0
        self._emptied: asyncio.Event | None = None

    # Configuration

    def adopt(self, snapshot: Snapshot, services: list[Mapping[str, Any]]) -> None:
        """Every request from now on is decided by this snapshot; ``services`` is its part for the connection pool."""
        self.lane.adopt(snapshot)
        self._policies = {
            service["slot"]: ServicePolicy(keepalive_ms=service["keepalive_timeout_ms"], max_idle=service["max_idle"])
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

    def closed(self, index: int) -> None:
        """A client connection has ended."""
        self._connections[index] = None
        self._open -= 1
        if self._open == 0 and self._emptied is not None:
            self._emptied.set()

    # Connections to instances

    async def connect(self, instance: int, service: int) -> UpstreamConnection:
        """A new connection to an instance. Raises OSError; the deadline is the caller's."""
        address = self.lane.address(instance)
        policy = self._policies.get(service)
        if address is None or policy is None:
            raise ConnectionError("the instance is gone")
        connection = UpstreamConnection(instance, policy, self.pool)
        try:
            if isinstance(address, str):
                await self.loop.create_unix_connection(lambda: connection, address)
            else:
                await self.loop.create_connection(lambda: connection, *address)
        except asyncio.CancelledError:
            connection.abandon()
            raise
        return connection

    # The clock

    async def run(self) -> None:
        """Ticks until cancelled. Raises LaneLostError."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Heartbeat, deadlines, and now and then the pool."""
        now = monotonic_ns()
        if not self.lane.tick(now, wall_seconds()):
            raise LaneLostError("the lane belongs to another worker now")
        for index in self.lane.expired(now):
            connection = self._connections[index]
            if connection is not None:
                connection.deadline_passed()
        self._ticks += 1
        if self._ticks % POOL_SWEEP_TICKS == 0:
            for upstream in self.pool.expired(now):
                upstream.close()

    # The end

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - the bound is the operator's, not the caller's
        """Lets every exchange finish, for ``timeout`` seconds at the most. True if all did."""
        self.lane.drain()
        self._emptied = asyncio.Event()
        for connection in list(self._connections):
            if connection is not None:
                connection.close_if_idle()
        if self._open == 0:
            return True
        try:
            await asyncio.wait_for(self._emptied.wait(), timeout)
        except TimeoutError:
            log.warning("%d connections were cut at the end of the drain", self._open)
            return False
        return True
