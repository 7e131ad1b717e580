"""A stage for the worker's connections: transports without sockets, a clock turned by hand, a real lane.

A transport behaves as the reactor's: it takes writes at once until its peer stops reading, calls ``pause_writing`` inside
``write``, and reports its end in a later turn of the loop. It is stricter in one thing: it refuses writes after that.
"""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from gateway.clock import NANOSECONDS
from gateway.state.control import HEALTH_HEALTHY, Control, Segment
from gateway.state.lane import Lane, Snapshot, open_lane
from gateway.state.sockets import HIGH_WATER_BYTES, Reactor
from gateway.state.view import COUNTERS, View
from gateway.worker.faults import Faults
from gateway.worker.ingress import ClientConnection
from gateway.worker.plane import DataPlane
from gateway.worker.upstream import UpstreamConnection

SERVICE = 0
NO_ROUTE_ROW, ROUTE_ROW = 0, 1
CAPACITIES = {"lanes": 4, "instances": 16, "services": 2, "series": 4, "limits": 2, "limit_keys": 100}

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOW_WATER_BYTES = 16 * 1024
FAR = 1 << 62
"""A time after every deadline."""


def post(length: int) -> bytes:
    """The head of a request with a body of that length."""
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


def put(length: int) -> bytes:
    """As ``post``, for a request that may be sent again."""
    return post(length).replace(b"POST", b"PUT")


def answer(length: int) -> bytes:
    """The head of an answer with a body of that length."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length


class Transport:
    """The worker's end of a connection."""

    def __init__(
        self,
        protocol: asyncio.Protocol,
        peername: object = ("192.0.2.1", 40000),
        *,
        stuck: bool = False,
        faults: Faults | None = None,
    ) -> None:
        self.protocol: asyncio.Protocol | None = protocol
        self.peername = peername
        self.sent = bytearray()
        """What the peer got or will get."""
        self.writes = 0
        """System calls that it took."""
        self.unsent = 0
        self.in_kernel = 0
        """Bytes that were sent and that the peer has not acknowledged."""
        self.stuck = stuck
        """The peer does not read."""
        self.room: int | None = None
        """Bytes that the kernel takes before the peer is stuck; None for any number."""
        self.reading = False
        self.closing = self.gone = self.eof_sent = self.reset = self.aborted = False
        self.paused = False
        self.fins = 0
        """How often the worker was told of the peer's FIN."""
        self._large = False
        self._at_eof = False
        try:
            protocol.connection_made(cast("asyncio.Transport", self))
        except BaseException as error:
            self.abort()
            if faults is None:
                raise
            report(faults, protocol, error)
        self.reading = not self.closing

    # What the worker calls

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        """Who hears of everything from now on."""
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken."""
        return self.unsent

    @property
    def peer_address(self) -> str:
        """The IP address of the peer."""
        return str(self.peername[0]) if isinstance(self.peername, tuple) else "127.0.0.1"

    def fileno(self) -> int:
        """None: its kernel is this object."""
        raise AssertionError

    def is_closing(self) -> bool:
        """Is the end under way?"""
        return self.closing

    def _fits(self, data: bytes) -> int:
        """How much of it the kernel takes."""
        if self.stuck or self.room is None:
            return 0 if self.stuck else len(data)
        fits = min(self.room, len(data))
        self.room -= fits
        self.stuck = self.room == 0
        return fits

    def write(self, data: bytes) -> None:
        """One system call; what the kernel does not take is kept."""
        assert type(data) is bytes
        if self.gone:
            raise RuntimeError("the handler is closed")
        if self.eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.aborted or not data:
            return
        unsent = len(data) - (0 if self.unsent else self._fits(data))
        self.sent += data
        self.writes += 1
        if unsent:
            self.unsent += unsent
            self._large |= len(data) > HIGH_WATER_BYTES
            if (self._large or self.unsent > HIGH_WATER_BYTES) and not self.paused and self.protocol:
                self.paused = True
                self.protocol.pause_writing()

    def write_eof(self) -> None:
        """FIN."""
        if self.gone:
            raise RuntimeError("the handler is closed")
        self.eof_sent = True

    def pause_reading(self) -> None:
        """The peer's bytes stay in the kernel."""
        self.reading = False

    def resume_reading(self) -> None:
        """They come again; a FIN does not."""
        if not self.closing and not self._at_eof:
            self.reading = True

    def close(self) -> None:
        """The end, when everything is sent."""
        if not self.closing:
            self.closing, self.reading = True, False
            if not self.unsent:
                self._lose(None)

    def send_reset(self) -> None:
        """The end, now, and no ordinary one."""
        self.reset |= not self.gone
        self.abort()

    def abort(self) -> None:
        """The end, now."""
        if not self.aborted and not self.gone:
            self.unsent = 0
            self._lose(None)

    # What the peer does

    def says(self, data: bytes) -> None:
        """Bytes come in, if they are read."""
        assert self.reading, "nobody reads this connection"
        assert self.protocol is not None
        self.protocol.data_received(data)

    def ends(self) -> None:
        """FIN."""
        assert self.reading, "nobody reads this connection"
        assert self.protocol is not None
        self._at_eof = True
        self.fins += 1
        self.reading = False
        if not self.protocol.eof_received():
            self.close()

    def breaks(self) -> None:
        """RST."""
        self._lose(ConnectionResetError())

    def takes(self, amount: int) -> None:
        """Reads some of what is unsent, and stays stuck after that."""
        self.unsent -= amount
        assert self.unsent >= 0
        mark = 0 if self._large else LOW_WATER_BYTES
        self._large &= self.unsent > 0
        if self.paused and self.unsent <= mark and self.protocol:
            self.paused = False
            self.protocol.resume_writing()
        if self.closing and not self.unsent and not self.aborted:
            self._lose(None)

    def reads_on(self) -> None:
        """Reads all."""
        self.stuck = False
        self.takes(self.unsent)

    def got(self) -> bytes:
        """What was written since the last look."""
        sent = bytes(self.sent)
        self.sent.clear()
        return sent

    def _lose(self, error: Exception | None) -> None:
        self.closing = self.aborted = True
        self.reading = False
        asyncio.get_running_loop().call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        if not self.gone:
            protocol, self.protocol, self.gone = self.protocol, None, True
            assert protocol is not None
            protocol.connection_lost(error)


@dataclass
class Connect:
    """An attempt to connect, which the test lets succeed or fail."""

    address: tuple[str, int]
    protocol: UpstreamConnection
    faults: Faults
    over: bool = False
    """It has succeeded or failed, or was given up."""
    given_up: bool = False

    def abort(self) -> None:
        """Nobody wants it any more."""
        self.over = self.given_up = True

    def succeeds(self, *, stuck: bool = False) -> Transport:
        """The instance accepts, and does not read if it is ``stuck``."""
        assert not self.over
        self.over = True
        return Transport(self.protocol, stuck=stuck, faults=self.faults)

    def fails(self, error: int = errno.ECONNREFUSED) -> None:
        """It does not."""
        assert not self.over
        self.over = True
        try:
            self.protocol.connection_failed(error)
        except BaseException as bug:
            report(self.faults, self.protocol, bug)


def report(faults: Faults, protocol: object, error: BaseException) -> None:
    """As the reactor does through its loop."""
    context = {"message": "a protocol has raised", "exception": error, "protocol": protocol}
    faults.handle(asyncio.get_running_loop(), context)


class Network:
    """The reactor that the worker sees: connects that the test decides."""

    def __init__(self) -> None:
        self.connects: list[Connect] = []
        self.faults: Faults
        self.exhausted: Callable[[int], object]
        """Is told that clients wait for a descriptor."""

    def connect(
        self, address: tuple[str, int], protocol: UpstreamConnection, _: int, _may_speak: bool
    ) -> Connect:
        """A connect that the test lets succeed or fail."""
        self.connects.append(attempt := Connect(address, protocol, self.faults))
        return attempt

    def on_exhausted(self, told: Callable[[int], object]) -> None:
        """Who is told."""
        self.exhausted = told

    def fail(self, protocol: UpstreamConnection, error: int) -> None:
        """A connect that has failed already."""
        asyncio.get_running_loop().call_soon(protocol.connection_failed, error)


@dataclass
class Timer:
    """A timer, which the test lets fire by calling it."""

    callback: Callable[..., object]
    args: tuple[object, ...]
    cancelled: bool = False

    def cancel(self) -> None:
        """It does nothing any more."""
        self.cancelled = True

    def __call__(self) -> None:
        """It fires."""
        if not self.cancelled:
            self.callback(*self.args)


class Loop:
    """The loop that the worker sees: the running one, with timers that the test decides."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.timers: list[Timer] = []
        self.create_task = self._loop.create_task
        self.call_soon = self._loop.call_soon

    def call_later(self, _: float, callback: Callable[..., object], *args: object) -> "Timer":
        """A timer that the test lets fire."""
        self.timers.append(timer := Timer(callback, args))
        return timer


class Forgetful:
    """A lane whose instances are all gone since they were chosen."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lane, name)

    def address(self, _: int) -> None:
        """Another instance has the slot by now."""


def forget_addresses(stage: "Stage") -> None:
    """Whatever instance is chosen from now on, it is gone when it is to be connected to."""
    stage.plane.lane = cast("Lane", Forgetful(stage.lane))


@dataclass
class Stage:
    """A data plane with one service on a lane of its own."""

    instances: int = 2
    max_in_flight: int = 0
    queue: dict[str, int] | None = None
    tries: int = 2
    max_idle: int = 4
    max_pending: int = 1024
    now: int = 1_000 * NANOSECONDS
    listener: dict[str, Any] = field(default_factory=dict)
    limits: tuple[dict[str, Any], ...] = ()
    route: dict[str, Any] = field(default_factory=dict)
    access_log: bool = False

    def __post_init__(self) -> None:
        self.segment = Segment.create(**CAPACITIES, hash_seed=1)
        self.control = Control(self.segment)
        for slot in range(self.instances):
            self.control.write_instance(
                slot,
                1,
                f"127.0.0.1:{9000 + slot}",
                weight=1,
                max_in_flight=self.max_in_flight,
                health=HEALTH_HEALTHY,
            )
        self.control.publish_members(SERVICE, range(self.instances))
        self.control.open_lane(0, 1)
        self.view = View(self.segment)
        self.lane: Lane = open_lane(self.segment.fileno(), 0, random_seed=1, clock=lambda: self.now)
        self.loop = Loop()
        self.network = Network()
        self.plane = DataPlane(
            self.lane, cast("asyncio.AbstractEventLoop", self.loop), cast("Reactor", self.network)
        )
        self.network.faults = self.plane.faults
        self.plane.adopt(Snapshot.compile(self._snapshot()), [self._policy()])

    def _policy(self) -> dict[str, Any]:
        return {
            "slot": SERVICE,
            "keepalive_timeout_ms": 55_000,
            "max_idle": self.max_idle,
            "max_pending": self.max_pending,
            "user_timeout_ms": 120_000,
        }

    def _snapshot(self) -> bytes:
        listener = {
            "name": "l", "scheme": "http", "row": NO_ROUTE_ROW,
            "header_timeout_ms": 10_000, "body_idle_timeout_ms": 30_000, "keepalive_timeout_ms": 75_000,
            "write_timeout_ms": 60_000, "min_bytes_per_second": 0, "max_head_bytes": 32768, "max_line_bytes": 8192, "max_fields": 100,
            "max_target_bytes": 8192, "max_body_bytes": None, "max_requests": None,
            "max_age_ms": None, "max_connections_per_client": None,
        } | self.listener  # fmt: skip
        service = {
            "name": "s", "slot": SERVICE, "balance": "round_robin", "slow_start_ms": 0,
            "connect_timeout_ms": 2_000, "first_byte_timeout_ms": 40_000, "idle_timeout_ms": 50_000, "tunnel_timeout_ms": 3_600_000,
            "queue": self.queue,
        }  # fmt: skip
        route = {
            "name": "r", "host": None, "path": "/*", "methods": ["GET", "POST", "PUT"], "service": 0,
            "tries": self.tries, "limits": self.limits, "rows": [ROUTE_ROW],
        } | self.route  # fmt: skip
        return orjson.dumps(
            {
                "epoch": 1,
                "access_log": self.access_log,
                "listeners": [listener],
                "services": [service],
                "routes": [route],
            }
        )

    # What happens on it

    def client(self, peername: object = ("192.0.2.1", 40000)) -> Transport:
        """A client has connected."""
        return Transport(ClientConnection(self.plane, 0), peername)

    async def turn(self) -> None:
        """Lets everything happen that waits for nothing but its turn."""
        for _ in range(8):
            await asyncio.sleep(0)

    async def instance(self) -> Transport:
        """The instance accepts the connection that the worker asks for, which it must do."""
        await self.turn()
        transport = self.network.connects.pop(0).succeeds()
        await self.turn()
        return transport

    async def exchange(self, client: Transport) -> Transport:
        """A whole exchange on a fresh connection to an instance, which is in the pool then."""
        client.says(REQUEST)
        instance = await self.instance()
        instance.says(ANSWER)
        client.got()
        instance.got()
        return instance

    async def pass_time(self, seconds: float) -> None:
        """Turns the clock and ticks."""
        self.now += int(seconds * NANOSECONDS)
        self.plane.tick()
        await self.turn()

    async def pass_back_off(self) -> None:
        """Turns the clock beyond every back-off and lets the timers fire."""
        self.now += NANOSECONDS // 4
        timers, self.loop.timers = self.loop.timers, []
        for timer in timers:
            timer()
        await self.turn()

    # What is true of it

    def statuses(self, row: int = ROUTE_ROW) -> dict[int, int]:
        """How many requests were counted under each status."""
        return dict(self.view.requests(row))

    def counter(self, name: str) -> int:
        """A counter of the lane."""
        return self.view.counters()[COUNTERS.index(name)]

    def in_flight(self) -> int:
        """Exchanges that instances hold."""
        return sum(self.view.in_flight(slot) for slot in range(self.instances))

    def waiting(self) -> int:
        """Requests that wait for a place."""
        return self.view.queue(SERVICE)[0]

    def wait_ends(self) -> list[int]:
        """How those ended that wanted to wait."""
        return self.view.queue(SERVICE)[1]

    def failures(self) -> int:
        """Failures in a row, of all instances."""
        return sum(failures for _, failures in self.view.failing(self.instances))

    def pooled(self) -> list[UpstreamConnection]:
        """The connections in the pool."""
        return self.plane.pool.connections()

    def assert_clean(self) -> None:
        """No client is left: nothing is reserved, no deadline is armed, and whatever is pooled is fit for use."""
        assert self.in_flight() == 0
        assert self.lane.expired(FAR, 1) == []
        assert self.plane.admission.clients == 0
        assert self.plane.admission.upstreams == len(self.pooled())
        assert not self.plane.admission.pending
        assert not any(self.plane._connections)
        assert not [connect for connect in self.network.connects if not connect.over]
        for upstream in self.pooled():
            transport = cast("Transport", upstream.transport)
            assert upstream.client is None
            assert transport.reading
            assert not transport.unsent
            assert not transport.closing
        assert self.counter("nonsense") == 0
