"""Copies of requests on their way to a mirror, and how much all of them together may take.

The law: the request comes first. It never waits for its copy and never hears of it; a copy gets what nobody else needs, and is cut
off when it takes more.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self, TypeVar

from gateway.clock import monotonic_ns
from gateway.state.lane import FINISH, FINISH_CLOSE, FORWARD, RELAY, WAIT, ClientFastPath, Connection
from gateway.worker.transport import untaken
from gateway.worker.upstream import NO_DESCRIPTOR, NOT_ASKED

if TYPE_CHECKING:
    from gateway.worker.plane import DataPlane
    from gateway.worker.upstream import UpstreamConnection

_Argument = TypeVar("_Argument", int, bytes)

MOST_WAITING_BYTES = 1024 * 1024
"""What may wait for the mirror of one request: some pieces of a large body, so that one that is about as fast as the
instance gets all of it."""
MOST_BYTES = 16 * 1024 * 1024
"""What may wait for all mirrors of a worker together."""
GOES_ON = frozenset({WAIT, RELAY})
"""What the answer is does not matter."""
KEPT = frozenset({FINISH, FINISH_CLOSE})
"""After these the connection to the mirror may serve another exchange."""
TO_PYTHON = 1
"""With a reason not to be read, a client gets the end of its answer from ``_perform``."""


class _Nobody:
    """Where the answers to copies go."""

    __slots__ = ()

    def write(self, data: bytes) -> None:
        """They are thrown away."""


_NOBODY: Final = _Nobody()


class Copies:
    """The copies of a worker that are under way, oldest first."""

    __slots__ = ("_under_way", "bytes")

    def __init__(self) -> None:
        self._under_way: dict[Copy, None] = {}
        self.bytes = 0
        """What waits for mirrors: at least what it is now, and no more than when it was looked at last."""

    def begun(self, copy: "Copy") -> None:
        """One more."""
        self._under_way[copy] = None

    def ended(self, copy: "Copy") -> None:
        """One less."""
        del self._under_way[copy]

    def give_way(self, most: int) -> None:
        """So many are cut off, the oldest first: requests need what they take."""
        for copy in list(self._under_way)[:most]:
            copy.cut_off()

    def __len__(self) -> int:
        return len(self._under_way)


class Copy(ClientFastPath):
    """One copy. It stands in the place of a client: the connection to the mirror serves it as it would serve one."""

    __slots__ = ("_copies", "_index", "_is_over", "_opening", "_untaken", "_waiting")

    _upstream: "UpstreamConnection | None"

    def __new__(cls, plane: "DataPlane", machine: Connection, payload: bytes) -> Self:  # noqa: ARG004 - __init__ has them
        """No listener has accepted it; the machine knows whose rules it is under."""
        return super().__new__(cls, plane, 0)

    def __init__(self, plane: "DataPlane", machine: Connection, payload: bytes) -> None:
        """Holds the beginning of the request, until ``start``."""
        self._machine = machine
        self._transport = _NOBODY  # type: ignore[assignment] # all that an answer needs
        self._paused = TO_PYTHON
        self._index = machine.index
        self._copies: Copies = plane.copies
        self._copies.begun(self)
        self._opening: UpstreamConnection | None = None
        self._is_over = False
        self._untaken = 0
        self._waiting = 0
        """What of ``Copies.bytes`` is its."""
        self._begin_replay(payload)
        self._account(self._replay_bytes)

    # What the request calls

    def start(self, instance: int) -> None:
        """Sends what is there. The request was sent in the turn of the loop before."""
        self._guarded(self._start, instance)

    def go_on(self, piece: bytes) -> None:
        """More of the body."""
        self._guarded(self._go_on, piece)

    def is_whole(self) -> None:
        """That was all of it."""
        self._guarded(self._machine.copy_is_whole, monotonic_ns())

    def cut_off(self, *, slow: bool = False) -> None:
        """It ends here: the mirror is too ``slow`` for it, or else the request ends, or somebody needs the room."""
        if not self._is_over:
            self._machine.cut_off(slow, monotonic_ns())
            self._end()

    def _guarded(self, step: Callable[[_Argument], None], argument: _Argument) -> None:
        """A bug in a copy costs the copy, and not the request whose turn it is."""
        if self._is_over:
            return
        try:
            step(argument)
        except BaseException as error:
            self._plane.faults.cost(self, error)

    # What the connection to the mirror and the clock call

    def instance_connected(self, upstream: "UpstreamConnection") -> None:
        """The connection is there: what was held back goes out."""
        self._opening = None
        self._machine.connected(monotonic_ns())
        self._send_held_back(upstream)

    def instance_unreachable(self, error: int) -> None:
        """The connection could not be made, for this reason of the system's (errno)."""
        self._opening = None
        if error in NO_DESCRIPTOR:
            self._perform(*self._machine.no_descriptor(monotonic_ns()))
        else:
            self._perform(*self._machine.upstream_failed(error not in NOT_ASKED, monotonic_ns()))

    def instance_full(self) -> None:
        """The mirror does not take the copy as fast as it comes."""
        self._untaken = self._measure()
        self._machine.stalled(client=False, now=monotonic_ns())

    def instance_drained(self) -> None:
        """It takes more."""
        self._account_unsent()
        self._machine.flowing(monotonic_ns())

    def instance_lost(self, *, clean: bool) -> None:
        """The mirror's connection is over, with a FIN if ``clean``."""
        self._upstream = None
        self._perform(*self._machine.upstream_lost(clean, self._written, False, monotonic_ns()))

    def deadline_passed(self) -> None:
        """What was waited for did not come in time."""
        before, self._untaken = self._untaken, self._measure()
        self._perform(*self._machine.expire(max(0, before - self._untaken), monotonic_ns()))

    def break_off(self) -> None:
        """Ends it without asking the engine, after a fault. The request goes on."""
        self._end()

    def close_if_idle(self) -> bool:
        """It is never between two exchanges."""
        return False

    def close_if_over(self) -> None:
        """It is over with its exchange."""

    # What the engine's verdicts lead to

    def _perform(self, action: int, argument: int, _: bytes) -> None:
        if action in GOES_ON:
            return
        if action == FORWARD:  # to the first one as many connections are under way as may be
            self._start(argument)
            return
        if action in KEPT:
            self._release_instance(monotonic_ns())
        self._end()

    def _start(self, instance: int) -> None:
        upstream = self._pool.take(instance)
        if upstream is None:
            self._connect(instance)
        else:
            self._send_held_back(upstream)

    def _go_on(self, piece: bytes) -> None:
        self._go_on_replay(piece)
        if self._upstream is None:
            self._account(self._replay_bytes)
        else:
            self._upstream.transport.write(piece)
            self._account_unsent()
        if self._waiting > MOST_WAITING_BYTES or self._copies.bytes > MOST_BYTES:
            self.cut_off(slow=True)

    def _connect(self, instance: int) -> None:
        self._written = False
        service = self._machine.service
        if self._plane.is_crowded(instance, service):
            self._perform(*self._machine.crowded(monotonic_ns()))
            return
        if self._plane.admission.is_full:
            self._perform(*self._machine.no_descriptor(monotonic_ns()))
            return
        upstream = self._plane.upstream(instance, service, self)
        assert upstream is not None, "there is a descriptor"
        self._machine.connecting(monotonic_ns())
        self._opening = upstream
        self._plane.connect(upstream)

    def _send_held_back(self, upstream: "UpstreamConnection") -> None:
        self._upstream = upstream
        upstream.client = self
        self._written = True
        self._most_replayed = 0  # what goes out is not held any longer
        held = self._replay or b""
        self._forget_replay()
        upstream.transport.write(held)
        self._account_unsent()

    # Private helpers

    def _end(self) -> None:
        """The one end: everything is given back."""
        if self._is_over:
            return
        self._is_over = True
        if self._opening is not None:
            self._opening.close()
            self._opening = None
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        self._forget_replay()
        self._account(0)
        self._copies.ended(self)
        self._plane.copy_ended(self._index)
        self._machine.close(monotonic_ns())

    def _account(self, waiting: int) -> None:
        self._copies.bytes += waiting - self._waiting
        self._waiting = waiting

    def _account_unsent(self) -> None:
        if self._upstream is not None:  # a write may end the connection
            self._account(self._upstream.transport.get_write_buffer_size())

    def _measure(self) -> int:
        return 0 if self._upstream is None else untaken(self._upstream.transport)

    def __repr__(self) -> str:
        """One line for logs and tests."""
        return f"<Copy with {self._upstream!r}>"
