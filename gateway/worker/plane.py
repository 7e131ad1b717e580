"""The data plane of one worker: what its connections share, its tick, and its drain."""

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway import tcp
from gateway.clock import NANOSECONDS, monotonic_ns, wall_ns
from gateway.state.lane import Connection, Lane, Pool, Snapshot
from gateway.state.sockets import Reactor
from gateway.worker.access_log import AccessLog
from gateway.worker.admission import NO_LIMIT, Admission, Room
from gateway.worker.faults import Faults
from gateway.worker.ingress import ClientConnection
from gateway.worker.mirror import MOST_BYTES, Copies, Copy
from gateway.worker.short_clock import ShortClock
from gateway.worker.tunnel import Tunnel
from gateway.worker.upstream import NO_DESCRIPTOR, ServicePolicy, UpstreamConnection
from gateway.worker.waiting import WaitingLine

log = logging.getLogger("headgate.worker")

TICK_SECONDS = 0.05
"""How often deadlines are swept and the heartbeat is written: coarse enough to cost nothing, fine enough for
time-outs that are given in seconds."""
ENDED_A_TURN = 32
"""Connections of a crowd that are ended in one turn of the loop, at up to 100 µs each: answer, FIN, and the close of another."""
POOL_SWEEP_TICKS = 20
"""Ticks between two looks for upstream connections that were idle too long."""
IDLE_GRACE_NS = NANOSECONDS
"""How long idle clients are kept when a drain begins. A close at once would cross the next request of a busy client on
its way, and that request would be lost; this one is answered, and told that it was the last."""
COMPLAINT_NS = 60 * NANOSECONDS
"""How often the log says that clients have to wait, for each of the reasons."""
GONE = ServicePolicy(keepalive_ms=0, max_idle=0, max_pending=1, user_timeout_ms=tcp.GONE_MS)
"""For a connection to a service that was never heard of: it is not kept."""
NEWCOMER_SECONDS = 1.0
"""How long a client that connected while the worker drains has for the beginning of its request."""


MAX_IDLE = 1024
"""Idle connections that one worker keeps over all services; each costs a file descriptor here and one at its instance."""


class LaneLostError(Exception):
    """The supervisor has given this worker's lane away: it must not write there again."""


class DataPlane:
    """Everything that the connections of one worker have in common."""

    def __init__(self, lane: Lane, loop: asyncio.AbstractEventLoop, reactor: Reactor) -> None:
        self.lane = lane
        self.loop = loop
        self.reactor = reactor
        self.faults = Faults(lane)
        self.access_log = AccessLog(lane, loop.call_soon)
        self.pool = Pool(MAX_IDLE)
        self.short_clock = ShortClock(loop)
        self.waiting = WaitingLine(lane, self._take_turn, loop.call_soon)
        self.admission = Admission()
        self.copies = Copies()
        self.accept: Callable[[bool], None] = lambda _: None
        """Told whether clients are to be accepted, when that changes."""
        self.descriptors: Callable[[], tuple[int, int]] = lambda: (NO_LIMIT, 0)
        """Asked for the limit of descriptors as it is, and for how many of them it takes to accept clients."""
        self._found = (0, 0)
        self._complain_at: dict[str, int] = {}
        self._connections: list[ClientConnection | Tunnel | Copy | None] = []
        self._policies: dict[int, ServicePolicy] = {}
        self._ticks = 0
        self._sweeping = False
        self._closing: Iterator[ClientConnection | Tunnel | Copy | None] | None = None
        """The connections that the closing of idle ones has yet to look at, while it is under way."""
        self._emptied: asyncio.Event | None = None
        self._keep_idle_until = 0
        self._newcomers: set[ClientConnection] = set()
        reactor.on_exhausted(self._exhausted)

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
                max_pending=service["max_pending"],
                user_timeout_ms=service["user_timeout_ms"],
            )
            for service in services
        }

    # Client connections

    def opened(self, connection: ClientConnection, index: int) -> None:
        """A client connection exists, under a number of the engine's choice: the next one, or one that was free."""
        self._keep(connection, index)
        if self.admission.came():
            if self.admission.is_full:
                self._evict_upstreams(1)
            self._reconsider()
        if self._emptied is not None:
            self._emptied.clear()
            self._newcomers.add(connection)
            self.loop.call_later(NEWCOMER_SECONDS, self._newcomers.discard, connection)

    def _keep(self, connection: ClientConnection | Copy, index: int) -> None:
        if index == len(self._connections):
            self._connections.append(connection)
        else:
            self._connections[index] = connection

    def replaced(self, index: int, tunnel: Tunnel) -> None:
        """A client connection has become a tunnel, under the same number."""
        self._connections[index] = tunnel

    def closed(self, index: int) -> None:
        """A client connection, or the tunnel that it became, has ended."""
        self._connections[index] = None
        if self.admission.went():
            self._reconsider()
        if self.admission.clients == 0 and self._emptied is not None:
            self._emptied.set()

    def _take_turn(self, index: int) -> None:
        connection = self._connections[index]
        if isinstance(connection, ClientConnection):
            self._guarded(connection, connection.take_turn)

    # Copies for mirrors

    def begin_copy(self, machine: Connection, payload: bytes) -> Copy | None:
        """The copy of the request whose beginning goes on now. It is sent in the loop's next turn, after its request."""
        begun = machine.begin_copy(monotonic_ns())
        if begun is None:
            return None
        own, instance = begun
        copy = Copy(self, own, payload)
        self._keep(copy, own.index)
        if self.copies.bytes > MOST_BYTES:
            copy.cut_off(slow=True)
            return None
        self.loop.call_soon(copy.start, instance)
        return copy

    def copy_ended(self, index: int) -> None:
        """A copy has ended, under this number."""
        self._connections[index] = None

    # Connections to instances

    def is_crowded(self, instance: int, service: int) -> bool:
        """Are as many connections to the instance under way as may be?"""
        most = self._policies.get(service, GONE).max_pending
        return self.admission.pending.get(instance, 0) >= most

    def upstream(
        self, instance: int, service: int, asker: ClientConnection | Copy
    ) -> UpstreamConnection | None:
        """A connection to an instance, yet to be made; None when there is no descriptor for one."""
        if self.admission.is_full:
            self._evict_upstreams(1)
            if self.admission.is_full:
                return None
        policy = self._policies.get(service, GONE)
        return UpstreamConnection(instance, policy, self.pool, self.admission, asker)

    def connect(self, upstream: UpstreamConnection) -> None:
        """Begins to make a connection, which will hear of the outcome; the deadline is the caller's, who closes it."""
        address = self.lane.address(upstream.instance)
        if address is None:
            self.reactor.fail(upstream, errno.ENXIO)  # the instance is gone since the decision
            return
        upstream.attempt = self.reactor.connect(
            address, upstream, upstream.user_timeout_ms, upstream.may_speak
        )

    def _evict_upstreams(self, most: int) -> None:
        """Closes idle connections, and those of copies where that does not do."""
        evicted = self.pool.evict(most)
        for upstream in evicted:
            upstream.close()
        self.lane.count_upstreams_evicted(len(evicted))
        self.copies.give_way(most - len(evicted))

    # Admission

    def _reconsider(self) -> None:
        """Accepts or leaves clients in the kernel's queue, by the number of those that are here."""
        if not self.admission.changes_mind():
            return
        self.accept(self.admission.accepting)
        if not self.admission.accepting:
            self.lane.count_accept_pause()
            clients, limit = self.admission.clients, self._found[0]
            self._complain("at %d clients and a limit of %d descriptors, further ones wait", clients, limit)

    def _exhausted(self, error: int) -> None:
        """The system has no descriptor or memory for a client (errno), though there should be some: others have taken it."""
        self.lane.count_accept_failure()
        self._complain("the system cannot take in another client: %s; they wait", os.strerror(error))
        if error in NO_DESCRIPTOR:
            self._evict_upstreams(1)

    def _complain(self, what: str, *arguments: object) -> None:
        now = monotonic_ns()
        if now >= self._complain_at.get(what, 0):
            self._complain_at[what] = now + COMPLAINT_NS
            log.warning(what, *arguments)

    def _make_room(self, now: int) -> None:
        """Has idle connections give way before there is no descriptor left: to instances first, then of clients."""
        found = self.descriptors()
        if found != self._found:
            self._found = found
            self.admission.room = Room.below(*found)
        if surplus := self.admission.surplus_upstreams():
            self._evict_upstreams(surplus)
        if surplus := self.admission.surplus_clients():
            for index in self.lane.spared(now, surplus):
                connection = self._connections[index]
                if isinstance(connection, ClientConnection):
                    self._guarded(connection, connection.evict)
        self._reconsider()

    # The clock

    async def run(self) -> None:
        """Ticks until cancelled. Raises LaneLostError."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Heartbeat, deadlines, those who wait, the access log, and now and then the pool."""
        now = monotonic_ns()
        if not self.lane.tick(now, wall_ns()):
            raise LaneLostError("the lane belongs to another worker now")
        if not self._sweeping:
            self._sweep(now)
        self.waiting.go_on()
        self.access_log.flush()
        self._make_room(now)
        if self._emptied is not None and now >= self._keep_idle_until and self._closing is None:
            self._closing = iter(self._connections)
            self._close_idle(self._closing)
        self._ticks += 1
        if self._ticks % POOL_SWEEP_TICKS == 0:
            self._sweep_pool(now)

    def _sweep(self, now: int) -> None:
        """Tells connections that their deadline has passed by ``now``: a crowd's in as many turns of the loop as it takes, so
        that everybody else has a turn in between.
        """
        expired = self.lane.expired(now, ENDED_A_TURN)
        for index in expired:
            connection = self._connections[index]
            if connection is not None:
                self._guarded(connection, connection.deadline_passed)
        self._sweeping = len(expired) == ENDED_A_TURN
        if self._sweeping:
            self.loop.call_soon(self._sweep, now)

    def _sweep_pool(self, now: int) -> None:
        """Closes what was idle too long, as ``_sweep`` does."""
        expired = self.pool.expired(now, ENDED_A_TURN)
        for upstream in expired:
            upstream.close()
        if len(expired) == ENDED_A_TURN:
            self.loop.call_soon(self._sweep_pool, now)

    def _guarded(self, connection: ClientConnection | Tunnel | Copy, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as error:
            self.faults.cost(connection, error)

    # The end

    def start_drain(self) -> None:
        """From now on every answer is its connection's last, and a connection without an exchange is closed soon."""
        if self._emptied is not None:
            return
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
                for connection in self._left():
                    connection.close_if_over()
                await asyncio.sleep(0)  # their ends are called
            clean = not self._cut(exchanges=bound >= exchanges, tunnels=bound >= tunnels) and clean
            await asyncio.sleep(0)  # their ends are called and counted
        return clean

    async def _empty_within(self, seconds: float) -> bool:
        assert self._emptied is not None, "the drain has started"
        if self.admission.clients == 0:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._emptied.wait()
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
            if self.admission.clients == 0:
                return
            await asyncio.sleep(TICK_SECONDS)

    def _close_idle(self, connections: Iterator[ClientConnection | Tunnel | Copy | None]) -> None:
        """Closes those of the connections that are idle and no newcomers, as ``_sweep`` does: each is looked at once."""
        closed = 0
        for connection in connections:
            if connection is None or connection in self._newcomers or not connection.close_if_idle():
                continue
            closed += 1
            if closed == ENDED_A_TURN:
                self.loop.call_soon(self._close_idle, connections)
                return
        self._closing = None

    def _left(self) -> list[ClientConnection | Tunnel]:
        """Those whose clients are waited for."""
        return [one for one in self._connections if isinstance(one, ClientConnection | Tunnel)]
