"""One worker process: how it is started, how it is spoken to, and how its death is noticed at once."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import orjson

import gateway
from gateway import descriptors
from gateway.channel import Decoder, FrameError, Message, encode
from gateway.descriptors import Parcel

logger = logging.getLogger("headgate.workers")

WORKER_MODULE = "gateway.worker"
WORKER_ENVIRONMENT = {
    # libuv would hand each new connection's epoll_ctl to an io_uring of its own: a tenth of what a connection costs.
    "UV_USE_IO_URING": "0",
    # glibc would give the memory of every large piece of a body back to the system, and fault it in again for the next:
    # a third of what an upload of 64 KiB costs. What a burst leaves behind is bounded by the first of these.
    "MALLOC_TRIM_THRESHOLD_": str(8 * 1024 * 1024),
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    "MALLOC_TOP_PAD_": str(1024 * 1024),
}
"""What the libraries of a worker go by, unless the supervisor's own environment says otherwise."""
_SEND_BUFFER_BYTES = 1024 * 1024  # a snapshot of a few thousand routes leaves in one write


class Channel(asyncio.Protocol):
    """The supervisor's end of the socketpair: messages in by callback, messages out by ``send``."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._received: Callable[[Message], None] | None = None
        self._transport: asyncio.Transport | None = None

    def listen(self, received: Callable[[Message], None]) -> None:
        """Names who takes the messages; nobody speaks before the worker process exists."""
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there: what is sent from now on reaches the worker."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own classes, with the same methods

    def data_received(self, data: bytes) -> None:
        """Gives out whole messages; a worker that sends nonsense is cut off, and exits by itself."""
        try:
            messages = self._decoder.feed(data)
        except FrameError as error:
            logger.error("a worker broke its channel: %s", error)  # noqa: TRY400 - the traceback is ours, not its
            self.close()
            return
        for message, _ in messages:
            if self._received is not None:
                self._received(message)

    def send(self, frame: bytes) -> None:
        """Queues one frame; to a worker that has gone it is lost, as its death is reported elsewhere."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        """Ends the channel; the worker takes that as the end of the supervisor. Idempotent."""
        if self._transport is not None:
            self._transport.abort()


async def _open_channel(sock: socket.socket) -> Channel:
    channel = Channel()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=sock)
    except BaseException:
        sock.close()
        raise
    return channel


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is given to stand on: its slot, its lane and the descriptors it inherits."""

    slot: int
    lane: int
    memory: int
    wakes: Sequence[int]
    sockets: Mapping[str, list[int]]
    log_level: str

    def descriptors(self) -> list[int]:
        """Every descriptor that must survive the exec, apart from the channel."""
        return [self.memory, *self.wakes, *(fd for fds in self.sockets.values() for fd in fds)]

    def argument(self, channel: int, parcels: int) -> str:
        """The command-line argument of the worker: one JSON object."""
        return orjson.dumps(
            {
                "channel": channel,
                "parcels": parcels,
                "memory": self.memory,
                "wakes": list(self.wakes),
                "lane": self.lane,
                "slot": self.slot,
                "sockets": dict(self.sockets),
                "log_level": self.log_level,
            }
        ).decode()


class Observer(Protocol):
    """Who is told what a worker says and that it died."""

    def heard(self, worker: "WorkerProcess", message: Message) -> None:
        """The worker sent a message."""

    def died(self, worker: "WorkerProcess") -> None:
        """The process has ended and is reaped; called exactly once."""


class WorkerProcess:
    """A running worker. It is ours from ``start`` until ``Observer.died``, and its pid cannot be recycled before.

    ``ready`` is what it said, ``late`` what its heartbeats say.
    """

    def __init__(
        self,
        place: Place,
        process: subprocess.Popen[bytes],
        channel: Channel,
        parcels: socket.socket,
        observer: Observer,
    ) -> None:
        self.slot = place.slot
        self.lane = place.lane
        self.pid = process.pid
        self.ready = False
        self.late = False
        self._process = process
        self._channel = channel
        self._parcels = parcels
        self.observer = observer
        """Who is told; it changes when somebody else takes the worker on."""
        self._pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)
        channel.listen(self._heard)

    @classmethod
    async def start(
        cls, place: Callable[[], Place], observer: Observer, command: Sequence[str] | None = None
    ) -> "WorkerProcess":
        """Forks and executes a worker. Raises OSError when the system has no process or descriptor to give.

        ``place`` is asked last. Nothing is awaited from there on, so the worker inherits what is in force when this
        returns, and a cancelled start leaves no process behind.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            channel = await _open_channel(ours)
            try:
                return cls._launch(place(), channel, theirs, observer, command or worker_command())
            except BaseException:
                channel.close()
                raise

    @classmethod
    def _launch(
        cls,
        place: Place,
        channel: Channel,
        far_end: socket.socket,
        observer: Observer,
        command: Sequence[str],
    ) -> "WorkerProcess":
        parcels, theirs = descriptors.socketpair()
        with contextlib.ExitStack() as undo, theirs:
            undo.enter_context(parcels)
            process = subprocess.Popen(
                [*command, place.argument(far_end.fileno(), theirs.fileno())],
                pass_fds=[far_end.fileno(), theirs.fileno(), *place.descriptors()],
                stdin=subprocess.DEVNULL,
                env=WORKER_ENVIRONMENT | os.environ,
            )
            undo.callback(process.wait)
            undo.callback(process.kill)
            worker = cls(place, process, channel, parcels, observer)
            undo.pop_all()
        return worker

    @property
    def alive(self) -> bool:
        """Not yet reaped."""
        return self._pidfd >= 0

    @property
    def serves(self) -> bool:
        """It has said that it is ready, and its heart beats."""
        return self.ready and not self.late

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        code = self._process.returncode
        if code is None:
            return "is running"
        if code < 0:
            return f"was killed by {_signal_name(-code)}"
        return f"exited with code {code}"

    def send(self, message: Message, attachment: bytes = b"") -> None:
        """Sends one message; silently lost when the worker has gone."""
        self._channel.send(encode(message, attachment))

    def send_frame(self, frame: bytes) -> None:
        """Sends a message that was encoded before, as one snapshot is for all workers."""
        self._channel.send(frame)

    def hand_over(self, parcel: Parcel) -> None:
        """Gives the worker further sockets, for the snapshot that comes next. One that cannot take them is killed."""
        try:
            descriptors.send(self._parcels, parcel)
        except OSError as error:
            logger.error("%r takes no sockets (%s): it is replaced", self, error)  # noqa: TRY400 - no bug of ours
            self.kill()

    def kill(self) -> None:
        """SIGKILL, by pidfd: it can never hit another process. Its death is reported as any other."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def destroy(self) -> None:
        """Kills and reaps without the loop and without telling anybody: the last resort of a supervisor that ends."""
        if self._pidfd >= 0:
            self.kill()
            self._process.wait()
            self._release()

    def _heard(self, message: Message) -> None:
        self.observer.heard(self, message)

    def _ended(self) -> None:
        if self._process.poll() is None:
            return
        self._release()
        self.observer.died(self)

    def _release(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._channel.close()
        self._parcels.close()

    def __repr__(self) -> str:
        return f"<worker {self.slot} pid={self.pid} lane={self.lane} {'ready' if self.ready else 'starting'}>"


def worker_command() -> list[str]:
    """The command of a worker, without its argument.

    ``-m`` would put the current directory in front of the module path, where an unlucky file could shadow a module;
    ``-P`` prevents that, unless the package itself is found through the current directory.
    """
    root = Path(gateway.__file__).parent.parent
    safe = [] if root == Path.cwd() else ["-P"]
    return [sys.executable, *safe, "-m", WORKER_MODULE]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
