"""The compiled half of the gateway: engine and shared memory, converted for Python.

Only ``gateway.state`` imports this module. All times are nanoseconds of CLOCK_MONOTONIC unless a name says otherwise.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Protocol, Self, final

from typing_extensions import disjoint_base

__all__ = [
    "ABORT",
    "BACK_OFF",
    "CLOSE",
    "CONNECT",
    "COUNTERS",
    "ClientFastPath",
    "Connection",
    "Control",
    "DURATION_BOUNDS",
    "Explainer",
    "FINISH",
    "FINISH_CLOSE",
    "FINISH_DROP",
    "FINISH_DROP_CLOSE",
    "FORWARD",
    "FORWARD_COPIED",
    "HEALTH_DISABLED",
    "HEALTH_EJECTED",
    "HEALTH_HEALTHY",
    "HEALTH_UNHEALTHY",
    "HEALTH_UNKNOWN",
    "HIGH_WATER_BYTES",
    "HOLD",
    "LIMIT_DECISIONS",
    "LOW_WATER_BYTES",
    "Lane",
    "Listener",
    "MOST_IN_STOCK",
    "PARK",
    "PARK_COPIED",
    "PASS_ENDS",
    "Pool",
    "RELAY",
    "REPLY",
    "REPLY_CLOSE",
    "Reactor",
    "SEND",
    "SWITCH",
    "Segment",
    "Snapshot",
    "Stocks",
    "Transport",
    "UpstreamFastPath",
    "View",
    "WAIT",
    "WAIT_ENDS",
    "__version__",
    "build_profile",
    "check_pattern",
    "keep_panic_places",
    "layout_version",
    "take_panic_place",
]

__version__: Final[str]
build_profile: Final[str]
"""``release`` or ``debug``; benchmarks refuse a debug build."""
layout_version: Final[str]
"""Hash of the layout of the shared memory, as hexadecimal digits."""

MOST_IN_STOCK: Final[int]
"""The most that a stock can hold, and the most that it can owe."""
HEALTH_UNKNOWN: Final[int]
HEALTH_HEALTHY: Final[int]
HEALTH_UNHEALTHY: Final[int]
HEALTH_DISABLED: Final[int]
"""A bit beside the three states above: an operator took the instance out."""
HEALTH_EJECTED: Final[int]
"""Another bit: the instance has failed too many requests in a row."""

COUNTERS: Final[tuple[str, ...]]
"""Names of a worker's own counters, in the order ``View.counters`` returns them."""
LIMIT_DECISIONS: Final[tuple[str, ...]]
"""What becomes of a request at a limit, in the order ``View.limit_decisions`` counts it."""
PASS_ENDS: Final[tuple[str, ...]]
"""How connections end that are passed through, in the order ``View.passed`` counts it."""
WAIT_ENDS: Final[tuple[str, ...]]
"""How those end that want to wait in a queue, in the order ``View.queue`` counts it."""
DURATION_BOUNDS: Final[tuple[float, ...]]
"""Upper bounds of the duration histogram in seconds; one more bucket lies above the last."""

def keep_panic_places() -> None:
    """From now on a panic is not written to standard error, where each would take two lines or a hundred."""
def take_panic_place() -> str | None:
    """Where this thread panicked last, once; ``file.rs:LINE:COLUMN``."""

@final
class Segment:
    """The shared memory: one sealed memfd, created by the supervisor and inherited by every worker."""

    @staticmethod
    def create(
        *,
        lanes: int,
        instances: int,
        services: int,
        series: int,
        limits: int,
        limit_keys: int,
        hash_seed: int,
    ) -> Segment:
        """Creates the memory. Raises ValueError for a capacity out of range, OSError when the system refuses."""
    @staticmethod
    def attach(fd: int) -> Segment:
        """Maps an inherited segment. Raises ValueError when its magic, layout or sizes are not this build's."""
    @staticmethod
    def size_for(
        *, lanes: int, instances: int, services: int, series: int, limits: int, limit_keys: int
    ) -> int:
        """Bytes of address space that ``create`` would take."""
    def fileno(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def capacities(self) -> dict[str, int]: ...

@final
class Control:
    """The supervisor's pen: the only writer of instances, members and the set of live lanes."""

    def __new__(cls, segment: Segment) -> Control: ...
    def write_instance(
        self,
        slot: int,
        generation: int,
        address: str,
        *,
        weight: int,
        health: int,
        capacity: int | None = None,
        max_in_flight: int = 0,
        backup: bool = False,
        elsewhere: bool = False,
        started: int = 0,
    ) -> None:
        """Fills a slot. ``address`` is ``ip:port``, ``[v6]:port`` or ``unix:/path``; ``max_in_flight`` 0 is no cap,
        ``capacity`` None the weight; ``elsewhere``: in another zone; ``started`` as in ``set_started``."""
    def set_health(self, slot: int, health: int) -> None:
        """One store; every worker sees it at its next decision."""
    def health(self, slot: int) -> int: ...
    def set_started(self, slot: int, started: int) -> None:
        """The instance comes back now, in nanoseconds, and starts slowly; 0: it was always there."""
    def clear_failures(self, slot: int) -> None:
        """Ends an instance's row of failures."""
    def publish_members(
        self, row: int, slots: Sequence[int], *, panic_percent: int = 0, now: int = 0
    ) -> tuple[int, bool]:
        """Builds the bank of a service or a subset from its slots and their words, and swaps it in. Returns the membership
        epoch, and whether less than ``panic_percent`` of them are fit, so that all are used. At ``now`` a latency that
        nobody knows is estimated from the others'. Raises MemoryError while every extent is still held by a worker: try again after a tick."""
    def publish_ring(self, row: int, slots: Sequence[int], *, index: bool) -> int:
        """Draws the ring of a service or a subset from the addresses and the weights of its slots, swaps it in and returns the
        membership epoch; an ``index`` has one point for each slot and finds it by its identity. No slots withdraw the
        ring. Raises MemoryError as ``publish_members`` does."""
    def open_lane(self, lane: int, pid: int) -> None:
        """Zeroes a free lane and makes it live for a process that is about to start."""
    def set_lane_pid(self, lane: int, pid: int) -> None: ...
    def close_lane(self, lane: int) -> None:
        """Folds the counters of a dead worker's lane into the retired totals, exactly once, and frees it."""

@final
class Stocks:
    """Hears what workers want of shared buckets, and hands out what was granted. One process at a time may."""

    def __new__(cls, segment: Segment, *, wakes: Sequence[int] | None = None) -> Stocks:
        """``wakes``: as those of ``Lane``."""
    def wanted(self, most: int) -> list[tuple[int, int]]:
        """(key, row of its limit) of up to ``most`` wants of each worker; a key may come more than once."""
    def balance(self, key: int, now: int) -> int | None:
        """What is left, below 0 what is owed; None where the key has no slot."""
    def settle(
        self, key: int, tokens: int, *, credit: bool, quiet: bool, until: int, now: int
    ) -> int | None:
        """Adds tokens, or takes some away, and returns what is there then; None where the key has no slot, and nothing was
        added. ``credit``: it may come to owe its limit's credit; ``quiet``: nobody need say that more is wanted; ``until``: what is
        left then is lost."""
    def take_back(self, key: int, now: int) -> int:
        """Ends a stock; returns what was left, below 0 what was owed."""
    def wake(self) -> None:
        """Wakes the workers at which anybody waits."""
    def set_credit(self, row: int, tokens: int, *, waits: bool) -> None:
        """What stocks with credit may owe, of the limit of this row, and whether claims beyond that wait for an answer. Raises
        IndexError."""

@final
class View:
    """Reads everything, writes nothing."""

    def __new__(cls, segment: Segment) -> View: ...
    def lanes(self) -> list[tuple[int, int, int, int]]:
        """Live lanes as (lane, pid, snapshot epoch seen, heartbeat)."""
    def membership_epochs(self) -> list[int]:
        """The membership epoch that each live lane has seen."""
    def in_flight(self, slot: int) -> int: ...
    def health(self, slot: int) -> int: ...
    def failing(self, slots: int) -> list[tuple[int, int]]:
        """(slot, failures in a row) of every instance in the first so many slots whose last exchange has failed."""
    def requests(self, row: int) -> list[tuple[int, int]]:
        """(status code, count) of a row of the request table, counts above 0 only."""
    def passed(self, row: int) -> tuple[int, int, int, list[int]]:
        """Of a row that counts connections that are passed through: (how many there were, bytes of clients, bytes for clients, ends in
        the order of ``PASS_ENDS``)."""
    def durations(self, service: int) -> tuple[list[int], int]:
        """(count per bucket, sum in nanoseconds)."""
    def limit_decisions(self, row: int) -> list[int]:
        """Counts in the order of ``LIMIT_DECISIONS``."""
    def queue(self, service: int) -> tuple[int, list[int], int]:
        """Of a service: (requests that wait now, counts in the order of ``WAIT_ENDS``, nanoseconds that those waited who got
        a place)."""
    def counters(self) -> list[int]:
        """Sums in the order of ``COUNTERS``."""
    def connections(self) -> int:
        """Client connections that the live workers have open."""
    def limit_table(self, now: int) -> tuple[int, int, int]:
        """(slots, slots with a key, slots whose key cannot be replaced yet): a scan of the bucket table, or of a part that
        stands for a larger one; for the admin plane only."""

@final
class Snapshot:
    """A compiled, immutable configuration."""

    @staticmethod
    def compile(blob: bytes) -> Snapshot:
        """Compiles without holding the GIL. Raises ValueError naming what cannot be compiled."""
    @property
    def epoch(self) -> int: ...

@final
class Explainer:
    """A configuration whose decisions can be asked for: nothing is counted, taken or sent."""

    def __new__(cls, blob: bytes) -> Explainer:
        """Compiles what ``Snapshot.compile`` does. Raises ValueError naming what cannot be compiled."""
    def explain(
        self, head: bytes, listener: int, peer: str
    ) -> tuple[
        str,
        str,
        str,
        int | None,
        tuple[int, str] | None,
        int | None,
        tuple[int, str | None] | None,
        tuple[str | None, bool] | None,
        tuple[bool, bool] | None,
        list[tuple[int, str, str]],
    ]:
        """What becomes of a request with this head that comes in at a listener from ``peer``, an IP address.

        Returns the client; host and path that it is routed by; the index of its route; status and words of a refusal;
        the index of the service that it names, where its route asks for a name; status and location of what the route answers itself;
        the coding that answers of instances get, and whether only public ones do, None where the route compresses nothing;
        whether the request is a preflight and its page allowed, None where the route says nothing of other origins; and (index, what, name) of every other route: what does not
        fit, and the name of a header field, cookie or parameter. "precedence": all fits, and a more specific route was
        taken. Raises ValueError when ``peer`` is no address.
        """

def check_pattern(text: str) -> None:
    """Raises ValueError, which says why, for what is no regular expression of the engine."""

WAIT: Final[int]
"""Nothing to do until more bytes or a deadline come."""
HOLD: Final[int]
"""As WAIT, and stop reading from the client: its pipelined bytes fill the buffer."""
FORWARD: Final[int]
"""Send ``payload`` to the instance in the argument; an empty payload: send again what was sent before."""
SEND: Final[int]
"""Send ``payload`` on to the instance: more of the request's body."""
RELAY: Final[int]
"""Send ``payload`` on to the client; the exchange goes on."""
FINISH: Final[int]
"""Send ``payload`` to the client; the exchange is complete and both connections may carry another."""
FINISH_DROP: Final[int]
"""As FINISH, but the instance's connection must be closed."""
FINISH_CLOSE: Final[int]
"""As FINISH, but the client's connection must be closed after the payload."""
FINISH_DROP_CLOSE: Final[int]
"""As FINISH, and both connections must be closed."""
REPLY: Final[int]
"""As FINISH_DROP with a reply of our own; there may be no instance."""
REPLY_CLOSE: Final[int]
"""As REPLY, and the client's connection must be closed after the payload."""
ABORT: Final[int]
"""The answer cannot be completed: reset the client's connection so that it notices, drop the instance's."""
CLOSE: Final[int]
"""Close the client's connection; there is nothing to say."""
BACK_OFF: Final[int]
"""Drop the instance's connection, and call ``try_again`` after as many nanoseconds as the argument says."""
SWITCH: Final[int]
"""Send ``payload`` to the client and ``take_early()`` to the instance; from here on the bytes of both are passed on
as they are, without the engine."""
PARK: Final[int]
"""Hold ``payload``, the beginning of a request that waits for a place on an instance: it goes out when ``take_turn`` says so."""
FORWARD_COPIED: Final[int]
"""As FORWARD, and a mirror gets a copy of ``payload``, or without one of what was held back before, and of what is sent on after it:
``begin_copy``."""
PARK_COPIED: Final[int]
"""As PARK, with a copy likewise; without a ``payload`` the request is held back already."""
CONNECT: Final[int]
"""Make a connection of its own to the instance ``argument``, for bytes that are passed through; drop the one before, if there is one.
``connected`` says SWITCH."""

_Verdict = tuple[int, int, bytes]
"""(action, argument, payload). The argument of FORWARD is an instance key; of FINISH, FINISH_DROP and REPLY 1 when
pipelined bytes wait to be taken up; of the closing ones 1 when the client may still be sending."""

@final
class Lane:
    """One worker's stripe of the shared memory with the engine that decides on it."""

    def __new__(
        cls,
        segment: Segment,
        lane: int,
        *,
        random_seed: int,
        clock: Callable[[], int] | None = None,
        wakes: Sequence[int] | None = None,
    ) -> Lane:
        """Raises ValueError for a lane beyond the segment's. ``clock`` gives the fast path's time, in nanoseconds;
        None is CLOCK_MONOTONIC. ``wakes``: an eventfd for each lane, whose worker is woken by it when what somebody waits
        for there may have come, and one for the keeper of the stocks, who is woken when somebody begins to wait for an answer; they
        are duplicated."""
    def adopt(self, snapshot: Snapshot) -> None:
        """Every request from now on is decided by this snapshot."""
    @property
    def epoch(self) -> int:
        """Number of the snapshot in force; 0 before the first."""
    def drain(self) -> None:
        """From now on every answer announces the close of its connection."""
    def tick(self, now: int, wall: int) -> bool:
        """Heartbeat, epochs seen, the Date of replies and the clock of the access log (``wall``: Unix time in
        nanoseconds at ``now``). False: the lane is no longer this process's, and it must exit."""
    def expired(self, now: int, most: int) -> list[int]:
        """Indexes of at most so many connections whose deadline has passed; each is disarmed, the others stay as they are."""
    @property
    def has_waiting(self) -> bool:
        """Does any connection wait for a place, or a token?"""
    def begin_round(self, news: int | None = None) -> None:
        """Places may have come free, or answers be there: from now on ``next_turn`` names those who wait for that. ``news``: what was read from
        the lane's eventfd; None where anything may have happened."""
    def next_turn(self, now: int) -> int | None:
        """Index of the connection whose turn it is, of those who wait for a place and those who wait for a token by turns; each is named
        once in a round, and none behind one that found no place."""
    def spared(self, now: int, most: int) -> list[int]:
        """Indexes of at most so many connections that may be evicted: answered ones, longest at rest first, and then
        those that have been silent since they connected."""
    def address(self, instance: int) -> tuple[str, int] | str | None:
        """(ip, port) or a socket path; None when the slot has another occupant by now."""
    def select(self, service: str, key: bytes | None = None, now: int | None = None) -> int | None:
        """The instance key that the next request to the service would get, None when there is none; reserves
        nothing. ``key``: the value that the service hashes its requests by, or that of its sticky cookie. Without ``now``
        the lane's clock is read. Raises KeyError for an unknown service."""
    def charge(self, limit: str, key: bytes, cost: int, now: int) -> tuple[bool, int]:
        """Takes ``cost`` tokens of the bucket ``key`` of limit ``ROUTE/NAME``: (conforms, nanoseconds until it
        would). That of a service is ``services.SERVICE/NAME``. The key is the one of a limit by one part; of an address
        it is the 16 bytes of its network, IPv4 mapped into IPv6; of a limit that counts all its requests together it may be
        anything. Raises KeyError for an unknown limit and ValueError
        for a cost of 0."""
    def health(self, instance: int) -> int:
        """The health word of an instance, by instance key; ``HEALTH_UNHEALTHY`` when the slot has another occupant."""
    def take_access_log(self) -> bytes:
        """Whole lines of the access log, oldest first, none longer than ``PIPE_BUF``; they are the caller's now."""
    def on_access_log_due(self, callback: Callable[[], object] | None) -> None:
        """Who is told, once until the next take, that more lines wait than should until the next tick. Called within
        a connection's step: it may only note that there is something to do."""
    def count_dropped_lines(self, lines: int) -> None:
        """Counts lines that were taken and could not be written."""
    def count_upstreams_evicted(self, connections: int) -> None:
        """Counts idle connections to instances that were closed for want of descriptors."""
    def count_accept_pause(self) -> None:
        """Counts that the worker begins to accept no more clients."""
    def count_accept_failure(self) -> None:
        """Counts that the system had no descriptor or memory for a client that waits."""
    def count_fault(self) -> None:
        """Counts a connection that was lost to a bug of ours."""

@final
class Connection:
    """The state machine of one client connection and its current exchange: bytes and the time in, a verdict out."""

    def __new__(cls, lane: Lane, listener: int, peer: str, now: int) -> Connection:
        """A connection just accepted from ``peer``, an IP address in text."""
    @property
    def index(self) -> int:
        """Number of the connection in its worker; reused after ``close``."""
    @property
    def service(self) -> int:
        """Row of the current exchange's service; -1 without an exchange."""
    @property
    def is_idle(self) -> bool:
        """Between two requests, with nothing received of the next."""
    @property
    def is_lingering(self) -> bool:
        """Everything is said, and the connection is open only so that the client gets to read it."""
    @property
    def is_full(self) -> bool:
        """More is pipelined than may be kept: the client is not to be read until less is."""
    def take_early(self) -> bytes:
        """What the client has sent for the protocol that it switches to, before the instance agreed; once, on SWITCH."""
    def receive(self, data: bytes, now: int) -> _Verdict:
        """Bytes from the client; ``b""`` takes up what was pipelined."""
    def respond(self, data: bytes, now: int) -> _Verdict:
        """Bytes from the instance."""
    def client_eof(self, now: int) -> _Verdict:
        """The client will send no more."""
    def upstream_lost(self, clean: bool, written: bool, replayable: bool, now: int) -> _Verdict:
        """The instance's connection ended with a FIN (``clean``) or a reset. ``written``: something of the request
        was written to it; ``replayable``: all of the request that was sent is still at hand."""
    def upstream_failed(self, refused: bool, now: int) -> _Verdict:
        """No connection to the instance came about, because it ``refused`` or for a reason of this side."""
    def admit(self, now: int) -> _Verdict:
        """Takes the connection in, or refuses it for its client's number of connections; once, before anything else."""
    def crowded(self, now: int) -> _Verdict:
        """To the instance as many connections are under way as may be: another one, or an answer of our own."""
    def no_descriptor(self, now: int) -> _Verdict:
        """There is no descriptor for a connection to the instance."""
    def evict(self, now: int) -> _Verdict:
        """The descriptor of a connection at rest is needed; WAIT when it is at rest no more."""
    def try_again(self, now: int) -> _Verdict:
        """The back-off is over."""
    def take_turn(self, now: int) -> _Verdict:
        """A place may have come free for it: FORWARD without a payload, WAIT while there is none, or an answer of our own."""
    def connecting(self, now: int) -> None:
        """A connection to the instance has to be made first."""
    def connected(self, now: int) -> _Verdict:
        """The connection is there; what was held back goes out now. SWITCH where a tunnel begins with it."""
    @property
    def passes(self) -> bool:
        """Its bytes are passed through as they are."""
    def carried(self, from_client: bool, bytes: int) -> None:
        """So many bytes are on their way from the client, or else to it; counted where bytes are passed through."""
    def ends_by(self, end: str) -> None:
        """Why a tunnel of passed bytes ends, one of ``PASS_ENDS``; what is said first counts. Raises ValueError."""
    def stalled(self, client: bool, now: int) -> None:
        """The client, or else the instance, does not take what is ready for it."""
    def flowing(self, now: int) -> None:
        """It takes it again. In a tunnel ``now`` is when bytes moved last."""
    def expire(self, taken: int, now: int) -> _Verdict:
        """The deadline has passed. ``taken``: bytes that the side that was stalled has taken since it was said to be,
        or since this was asked last."""
    @property
    def is_request_whole(self) -> bool:
        """All of the current request is here."""
    def begin_copy(self, now: int) -> tuple[Connection, int] | None:
        """On FORWARD_COPIED and PARK_COPIED, once: the machine of the copy, which has no client, and the key of the instance
        that the same bytes go to; None where there is no place for a copy."""
    def copy_is_whole(self, now: int) -> None:
        """Of a copy: all of its request has been handed on."""
    def cut_off(self, slow: bool, now: int) -> None:
        """Of a copy: it ends before its time, because the mirror is too ``slow`` or for another reason; as ``close``."""
    def close(self, now: int) -> None:
        """The client's connection has ended, for whatever reason; gives everything back. Idempotent."""

HIGH_WATER_BYTES: Final[int]
"""Unsent bytes of a connection above which its sender is paused. After a larger piece it is paused while any is unsent."""
LOW_WATER_BYTES: Final[int]
"""Unsent bytes at which it may go on."""

class _Connecting(Protocol):
    """Who wants a connection."""

    def connection_made(self, transport: Transport, /) -> None: ...
    def connection_failed(self, error: int, /) -> None: ...

@final
class Reactor:
    """The sockets of one process, inside its event loop: the loop calls ``turn`` when ``fileno`` is readable.

    It calls protocols as asyncio does, with these differences. ``connection_lost`` comes at the end of a turn, or in the
    loop's next one. ``eof_received`` comes once, whether the reading was paused meanwhile or not. A reset that comes while
    nothing is read is told at once, unless there are bytes to read before it. Whatever a protocol raises, in any of its
    calls, goes to the loop's exception handler under the name of the protocol; unless it was flow control, the connection
    is closed.
    """

    def __new__(cls, event_loop: asyncio.AbstractEventLoop, keepalive: tuple[int, int, int]) -> Reactor:
        """``keepalive``: seconds of silence before the first probe of a connection that is made, seconds between probes,
        and how many there are. Raises OSError."""
    def fileno(self) -> int: ...
    def turn(self) -> None:
        """Attends to every socket that is ready. Raises OSError."""
    def settle(self) -> None:
        """Tells protocols of the ends that they have not heard of yet; for the reactor itself to call."""
    def accept_again(self) -> None:
        """There may be descriptors for the clients that wait for one; for the reactor itself to call."""
    def on_exhausted(self, told: Callable[[int], object] | None) -> None:
        """Who is told, with the system's reason (errno), that clients wait because there is no descriptor or memory for them.
        They are accepted when a descriptor is given back, or at a later look, of which there are ten a second."""
    def listen(self, fd: int, backlog: int, accepted: Callable[[], Any]) -> Listener:
        """Accepts from a duplicate of a listening socket; ``accepted`` makes the protocol of each connection. Clients for
        which there is no descriptor wait. Raises OSError."""
    def connect(
        self,
        address: tuple[str, int] | str,
        protocol: _Connecting,
        user_timeout_ms: int,
        may_speak: bool = False,
    ) -> Transport | None:
        """Begins to connect to an IP address and port, or to the path of a Unix socket. The protocol hears of the outcome,
        unless what is returned is closed before; None where it has failed already. A peer that speaks or hangs up before the
        protocol has heard has failed, unless it ``may_speak``. Raises ValueError."""
    def fail(self, protocol: _Connecting, errno: int) -> None:
        """Has a protocol hear that there will be no connection, as from ``connect``."""
    def close(self) -> None:
        """Closes every socket without a word to anybody."""

@final
class Listener:
    """A listening socket that a reactor accepts from."""

    def close(self) -> None:
        """Accepts no more. The queue stays with whoever else has the socket."""

@final
class Transport:
    """The worker's end of a connection; the part of asyncio's transport that protocols here need. After its end every
    call is allowed and does nothing."""

    @property
    def peer_address(self) -> str:
        """The IP address of who has connected; the local host for a Unix socket."""
    def write(self, data: bytes) -> None:
        """The kernel gets it first; what it does not take is copied."""
    def write_eof(self) -> None:
        """A FIN, behind what is unsent; what is written later is not sent."""
    def close(self) -> None:
        """Ends the connection when everything is sent, however long that takes."""
    def abort(self) -> None:
        """Ends it now. A protocol that waits for its connection hears no more."""
    def send_reset(self) -> None:
        """As ``abort``, but the peer notices an incomplete message, however that was framed."""
    def is_closing(self) -> bool:
        """Is what is written lost, because the end is under way, or because the peer of an instance's connection has refused
        what was written before and is still listened to?"""
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...
    def fileno(self) -> int:
        """The descriptor; -1 after the end."""

@disjoint_base
class ClientFastPath:
    """The client's side of the fast path: a request goes out on a connection of the pool, and its response comes back, in
    however many pieces; the gateway's own answer takes the place of both. A request that the pool has no connection for goes to
    ``_forward_afresh``, every other verdict to ``_perform``. The connection begins and ends here too.

    Base of the worker's client connections, which share its fields. Reading ``_machine`` or ``_transport`` before
    it was set raises AttributeError.
    """

    REPLAY_BYTES: ClassVar[int]
    """How much of a request that was written is kept for another try. A larger one is not sent again."""
    _machine: Connection
    _transport: Transport
    _paused: int
    """Why the client is not read; 0 when it is."""
    _upstream: Any
    """The connection to the instance that the exchange is on: an UpstreamFastPath, or None."""
    _most_replayed: int
    """``REPLAY_BYTES``; less for who does not send again."""
    _copy: Any
    """The copy of the request for a mirror while the request goes on, or None. What comes of the body then goes to
    ``_perform``."""
    _written: bool
    """Something of the request was written to the instance."""
    @property
    def _replay(self) -> bytes | None:
        """What of the request is at hand for another try; None when that is not all."""
    @property
    def _is_replayable(self) -> bool:
        """It is, and is not too much to be written twice."""
    @property
    def _replay_bytes(self) -> int:
        """How much of the request was sent, or is to be."""
    def _begin_replay(self, head: bytes) -> None: ...
    def _go_on_replay(self, piece: bytes) -> None:
        """Without a connection everything is kept."""
    def _release_instance(self, now: int) -> None:
        """The exchange is over: the instance's connection goes back to the pool, or is closed where the request was not sent
        whole."""
    def _forget_replay(self) -> None:
        """The request is not sent again."""
    def __new__(cls, plane: Any, listener: int) -> Self:
        """``plane`` has a ``lane`` and a ``pool``, and is told of the connection by ``opened`` and ``closed``; ``listener``: the
        number of the listener that has accepted it."""
    @property
    def _plane(self) -> Any: ...
    @property
    def _listener(self) -> int: ...
    @property
    def _pool(self) -> Pool: ...
    def connection_made(self, transport: Transport) -> None:
        """A client has connected: makes ``_machine`` and asks it whether the client may stay."""
    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over, for whatever reason. An exchange that is under way is ended by ``_give_up``."""
    def data_received(self, data: bytes) -> None:
        """Bytes from the client; ``b""`` takes up what was pipelined."""

@disjoint_base
class UpstreamFastPath:
    """The instance's side of the fast path: what it hears goes to the client's side, or to ``close`` when there is
    no client. Base of the worker's connections to instances."""

    transport: Transport
    client: Any
    """The ClientFastPath it serves, None while it is idle."""
    def __new__(cls, instance: int, keepalive_ns: int, max_idle: int) -> Self:
        """``instance``: key of the instance; ``keepalive_ns``: how long it may be idle, less than the instance's own
        time-out, or the two race; ``max_idle``: idle connections kept for that instance."""
    @property
    def instance(self) -> int: ...
    def data_received(self, data: bytes) -> None:
        """Bytes from the instance."""

@final
class Pool:
    """The idle connections of one worker: the one used last is taken first, the one idle longest goes when there are
    too many. It closes nothing: what is returned is the caller's."""

    def __new__(cls, max_idle: int) -> Pool:
        """``max_idle``: connections over all instances."""
    def take(self, instance: int) -> Any:
        """The connection to the instance that was used last, or None."""
    def give(self, connection: UpstreamFastPath, now: int) -> Any:
        """Takes a connection that stands at a message boundary; returns one to close when there are too many."""
    def discard(self, connection: UpstreamFastPath) -> None:
        """Forgets a connection that has ended by itself, if it is here."""
    def evict(self, most: int) -> list[Any]:
        """Removes and returns so many, or all there are: those that were idle longest."""
    def expired(self, now: int, most: int) -> list[Any]:
        """Removes and returns at most so many of the connections that have been idle too long."""
    def connections(self) -> list[Any]:
        """All of them, the one idle longest first."""
    def __len__(self) -> int: ...
