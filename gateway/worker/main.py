"""The worker's composition root: what it was started with, what it is told, and how it ends."""

import asyncio
import gc
import logging
import math
import os
import resource
import secrets
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

import orjson
import uvloop

from gateway import descriptors, tcp
from gateway.channel import Message
from gateway.descriptors import Parcel
from gateway.state.lane import Snapshot, keep_panic_places, open_lane
from gateway.state.sockets import Reactor
from gateway.worker.admission import NO_LIMIT
from gateway.worker.ingress import ClientConnection
from gateway.worker.listeners import Listeners
from gateway.worker.plane import DataPlane, LaneLostError
from gateway.worker.supervision import Supervision
from gateway.worker.time_slice import ask_for_short_slices

log = logging.getLogger("headgate.worker")

ORPHAN_DRAIN_SECONDS = 30.0
"""How long the exchanges and tunnels of a worker may take whose supervisor is gone."""
LOG_FINISH_SECONDS = 0.5
"""How long a worker that has drained waits for whoever reads the access log."""
ACCEPT_GRACE_SECONDS = 0.1
"""How long a draining worker still accepts: connections that the kernel has completed already are not reset."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the supervisor starts a worker with; descriptors are inherited."""

    channel: int
    parcels: int
    memory: int
    wakes: list[int]
    lane: int
    slot: int
    sockets: dict[str, list[int]]
    log_level: str

    @classmethod
    def parse(cls, text: str) -> "Start":
        """From the JSON on the command line."""
        return cls(**orjson.loads(text))


class Worker:
    """One worker process."""

    def __init__(self, start: Start, loop: asyncio.AbstractEventLoop) -> None:
        self._start = start
        self._loop = loop
        lane = open_lane(start.memory, start.lane, random_seed=secrets.randbits(64), wakes=start.wakes)
        reactor = Reactor(loop, tcp.KEEPALIVE)
        loop.add_reader(reactor.fileno(), reactor.turn)
        self._plane = DataPlane(lane, loop, reactor)
        self._be_woken(start.wakes, start.lane)
        self._listeners = Listeners(loop, reactor, start.sockets, self._accepted)
        self._plane.accept = self._listeners.accept
        self._plane.descriptors = self._descriptors
        self._supervision = Supervision(self._commanded, self._orphaned)
        self._parcels = socket.socket(fileno=start.parcels)
        self._arrived: list[Parcel] = []
        self._leaving: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._drain_bounds = (math.inf, math.inf)
        self._drained: asyncio.Future[None] = loop.create_future()
        self._commands: asyncio.Queue[tuple[Message, bytes]] = asyncio.Queue()
        self._serving = False

    async def run(self) -> None:
        """Serves until told to drain, or until the supervisor is gone. Raises LaneLostError."""
        channel = socket.socket(fileno=self._start.channel)
        await self._loop.create_unix_connection(lambda: self._supervision, sock=channel)
        self._loop.set_exception_handler(self._plane.faults.handle)
        clock = self._loop.create_task(self._plane.run())
        obedience = self._loop.create_task(self._obey())
        tasks = {clock, obedience, self._drained}
        ended, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        for task in ended:
            task.result()  # clock and obedience only end by raising
        await self._plane.access_log.finish(LOG_FINISH_SECONDS)
        self._supervision.tell({"type": "drained"})

    def _be_woken(self, wakes: list[int], lane: int) -> None:
        """By the eventfd of its lane; the lane has what it needs of the others."""
        for number, wake in enumerate(wakes):
            if number == lane:
                self._loop.add_reader(wake, self._plane.waiting.woken, wake)
            else:
                os.close(wake)

    def _descriptors(self) -> tuple[int, int]:
        """The limit of descriptors as it is now, and how many of them it takes to accept, and to wake other workers."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken = self._listeners.descriptors + len(self._start.wakes)
        return (NO_LIMIT if limit == resource.RLIM_INFINITY else limit), taken

    def _accepted(self, listener: int) -> ClientConnection:
        return ClientConnection(self._plane, listener)

    def _commanded(self, message: Message, attachment: bytes) -> None:
        """Who stands in for whom holds from now on: clients wait for it, and a snapshot before it may compile for seconds.
        A slot is adopted after every worker has acknowledged the snapshot that its sockets came for.
        """
        match message["type"]:
            case "adopt":
                self._listeners.serve(message["slot"])
            case "release":
                self._listeners.release(message["slot"])
            case _:
                self._commands.put_nowait((message, attachment))

    def _orphaned(self) -> None:
        self._listeners.abandon()
        timeout_ms = ORPHAN_DRAIN_SECONDS * 1000
        self._commanded({"type": "drain", "timeout_ms": timeout_ms, "tunnel_timeout_ms": timeout_ms}, b"")

    async def _obey(self) -> None:
        """All other commands one after the other, for as long as there are clients: logs are rotated and files reloaded while a worker
        drains as well.
        """
        while True:
            message, attachment = await self._commands.get()
            match message["type"]:
                case "snapshot":
                    await self._adopt(message, attachment)
                case "serve":
                    self._serve()
                case "reopen_logs":
                    self._plane.access_log.reopen()
                case "leave":
                    leave = self._leave(message["timeout_ms"] / 1000, message["tunnel_timeout_ms"] / 1000)
                    self._leaving = self._loop.create_task(leave)
                case "drain":
                    self._drain(message["timeout_ms"] / 1000, message["tunnel_timeout_ms"] / 1000)
                case other:
                    log.error("the supervisor sent the unknown command %r", other)

    async def _adopt(self, message: dict[str, Any], blob: bytes) -> None:
        epoch = message["epoch"]
        try:
            # On a thread, without the GIL: compiling a large configuration must not stall the connections.
            snapshot = await self._loop.run_in_executor(None, Snapshot.compile, blob)
        except ValueError as error:
            self._supervision.tell({"type": "refused", "epoch": epoch, "reason": str(error)})
            return
        self._plane.access_log.aim(message.get("access_log"))
        logging.getLogger().setLevel(message["log_level"].upper())
        try:
            self._inherit(epoch)
        except OSError as error:  # its sockets did not fit below the limit of descriptors
            reason = f"the sockets of a listener did not come: {error.strerror or error}"
            self._supervision.tell({"type": "refused", "epoch": epoch, "reason": reason})
            return
        self._plane.adopt(snapshot, message["services"])
        self._listeners.follow({one["name"]: one["number"] for one in message["listeners"]})
        self._supervision.tell({"type": "ack", "epoch": epoch})

    def _serve(self) -> None:
        """Accepts from the sockets of its own slot, for the first time."""
        if self._serving:
            return
        self._serving = True
        self._listeners.serve(self._start.slot)
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process; never look at it again
        self._supervision.tell({"type": "ready"})

    def _inherit(self, epoch: int) -> None:
        """Takes the sockets that came for this snapshot or an earlier one; those of a later one wait for it."""
        self._arrived += descriptors.receive(self._parcels)
        later = []
        for parcel in self._arrived:
            if parcel.epoch <= epoch:
                self._listeners.inherit(parcel.listener, parcel.descriptors)
            else:
                later.append(parcel)
        self._arrived = later

    async def _leave(self, exchanges: float, tunnels: float) -> None:
        """Gets rid of its clients without haste, and then drains.

        Others serve in this worker's place, so an idle client may have the answer to its next request as the last on
        its connection: a request that is on its way while its connection is closed could not be saved.
        """
        self._plane.lane.drain()
        await asyncio.sleep(ACCEPT_GRACE_SECONDS)
        self._listeners.close()
        await self._plane.deserted(exchanges)
        drain = {"type": "drain", "timeout_ms": exchanges * 1000, "tunnel_timeout_ms": tunnels * 1000}
        self._commanded(drain, b"")

    def _drain(self, exchanges: float, tunnels: float) -> None:
        """Gives exchanges and tunnels so many seconds from now, or what an earlier command has left them if that is less."""
        now = self._loop.time()
        before = self._drain_bounds
        self._drain_bounds = min(before[0], now + exchanges), min(before[1], now + tunnels)
        if self._draining is not None:
            self._draining.cancel()
        self._draining = self._loop.create_task(self._empty(*self._drain_bounds))
        self._draining.add_done_callback(self._drain_ended)

    async def _empty(self, exchanges: float, tunnels: float) -> None:
        """Stops accepting, and waits until these times for the clients to go."""
        self._plane.start_drain()
        await asyncio.sleep(ACCEPT_GRACE_SECONDS)
        self._listeners.close()
        now = self._loop.time()
        await self._plane.emptied(exchanges - now, tunnels - now)
        self._plane.copies.give_way(len(self._plane.copies))  # nobody waits for them

    def _drain_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._drained.done():
            return
        if (error := task.exception()) is not None:
            self._drained.set_exception(error)
        else:
            self._drained.set_result(None)


def run(text: str) -> int:
    """Runs a worker from its start argument; the exit code of the process."""
    start = Start.parse(text)
    logging.basicConfig(
        stream=sys.stderr,
        level=start.log_level.upper(),
        format=f"%(asctime)s %(levelname)s %(name)s[{start.slot}] %(message)s",
    )
    # A terminal sends Ctrl-C to the whole process group, and a service manager SIGTERM to the whole control group;
    # the supervisor alone decides what they mean.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    keep_panic_places()
    ask_for_short_slices()
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(start))
    except* LaneLostError as lost:
        log.error("%s", lost.exceptions[0])  # noqa: TRY400 - no bug, so no trace
        code = 1
    return code


async def _run(start: Start) -> None:
    await Worker(start, asyncio.get_running_loop()).run()
