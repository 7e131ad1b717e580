"""Keeps one worker in every slot: starts them, replaces the dead at once and has neighbours serve meanwhile."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.channel import Message, encode
from gateway.clock import NANOSECONDS
from gateway.descriptors import Parcel
from gateway.supervisor import adoption, restart_policy
from gateway.supervisor.failure import StartError
from gateway.supervisor.launch import Equipment, Launcher
from gateway.supervisor.process import WorkerProcess
from gateway.supervisor.publish import Publisher
from gateway.supervisor.recruits import Recruits

logger = logging.getLogger("headgate.workers")

START_ATTEMPTS = 3
"""A worker that dies this often before its slot ever served will not do better the next time."""
START_TIMEOUT_S = 60.0  # a healthy worker needs half a second; the rest is for machines in trouble
ACKNOWLEDGE_TIMEOUT_S = 30.0  # the largest snapshot compiles in two seconds; beyond this a worker is broken
DRAIN_GRACE_S = 1.0  # beyond the drain time-out: for the workers to keep their own deadline and exit
MANNED_TIMEOUT_S = 30.0  # a recruit serves in a moment; one that dies then has a successor within a second

SERVE: Message = {"type": "serve"}
REOPEN_LOGS: Message = {"type": "reopen_logs"}


@dataclass(slots=True)
class Slot:
    """One place for a worker, and what is remembered of those that stood there. Its sockets stay when it is vacant."""

    number: int
    vacant: bool = False
    """A reload has taken its worker away."""
    worker: WorkerProcess | None = None
    served: bool = False
    restarts: int = 0
    last_exit: str | None = None
    history: restart_policy.History = field(default_factory=restart_policy.History)
    timer: asyncio.TimerHandle | None = None
    spawning: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """``ready``, ``starting``, ``late`` without heartbeats, ``waiting`` while a slot that keeps dying must wait."""
        if self.worker is None:
            return "waiting" if self.timer is not None else "starting"
        if self.worker.late:
            return "late"
        return "ready" if self.worker.ready else "starting"


class Workers:
    """All slots. Implements ``Observer``: the workers' processes report here."""

    def __init__(
        self, count: int, equipment: Callable[[], Equipment], launcher: Launcher, *, clock: Callable[[], int]
    ) -> None:
        """``equipment``: what a worker that starts now inherits."""
        self.slots = [Slot(number) for number in range(count)]
        """Every slot that there ever was; sockets are numbered alike."""
        self.publisher = Publisher()
        self._equipment = equipment
        self._launcher = launcher
        self._clock = clock
        self._adoptions: dict[int, int] = {}
        self._leaving: set[WorkerProcess] = set()
        self._recruits: Recruits | None = None
        self._spawning: set[asyncio.Task[None]] = set()
        self._started: asyncio.Future[None] | None = None
        self._logging = False
        self._draining = False
        self._changed = asyncio.Event()

    # What the composition root asks for.

    async def start(self, snapshot: Mapping[str, Any], blob: bytes) -> None:
        """Starts all workers and returns when each of them serves. Raises StartError naming what is in the way."""
        self._started = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                for slot in self.slots:
                    await self._spawn(slot)
                await self._first_snapshot(snapshot, blob)
                await self._started
        except TimeoutError:
            raise StartError(f"the workers were not ready within {START_TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise StartError(f"cannot start a worker: {error}") from None
        finally:
            _settle_unread(self._started)

    async def recruit(
        self, count: int, snapshot: Mapping[str, Any], blob: bytes, equipment: Equipment
    ) -> None:
        """Starts the workers that a new configuration wants beyond those of now: they take its snapshot and wait for
        ``resize``. Raises NoRecruitError; nothing has changed then.
        """
        missing = [slot.number for slot in self.slots[:count] if slot.vacant]
        missing += range(len(self.slots), count)
        if missing:
            self._recruits = Recruits(self._launcher, snapshot["epoch"])
            await self._recruits.muster(missing, equipment, encode(dict(snapshot), blob))

    async def publish(
        self, snapshot: Mapping[str, Any], blob: bytes, further: Mapping[str, list[int]]
    ) -> None:
        """Brings a snapshot to every worker, those that are leaving included; returns when each has acknowledged it, or was
        replaced by one that will.

        ``further``: the sockets, by listener, that running workers have to be given with it.
        """
        workers = self.processes()
        for listener, numbers in further.items():
            for worker in workers:
                worker.hand_over(Parcel(snapshot["epoch"], listener, numbers))
        broken: list[WorkerProcess] = []
        try:
            async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT_S):
                refusals = await self.publisher.publish(snapshot, blob, workers)
            broken += (refusal.worker for refusal in refusals)
        except TimeoutError:
            broken += self.publisher.silent()
        for worker in broken:  # it would go on with what is no longer the configuration
            logger.error("%r has not taken snapshot %d: it is replaced", worker, snapshot["epoch"])
            worker.kill()

    def resize(self, count: int, timeout_s: float, tunnel_timeout_s: float) -> list[Slot]:
        """Fills further slots, with the recruits for them; returns those slots. Or has the workers of the last ones
        leave: each as soon as no client needs it.

        ``timeout_s`` is what a leaving worker's idle clients have for another request, and exchanges for their end;
        ``tunnel_timeout_s`` is what its tunnels have after that.
        """
        if self._draining:
            return []
        new = [Slot(number) for number in range(len(self.slots), count)]
        filled = [*(slot for slot in self.slots[:count] if slot.vacant), *new]
        self.slots += new
        for slot in filled:
            slot.vacant = False
            self._take_on(slot)
        leaving = [worker for slot in self.slots[count:] if (worker := self._vacate(slot)) is not None]
        self.settle()  # first somebody else accepts, then they stop
        for worker in leaving:
            logger.info("%r leaves: fewer workers are configured", worker)
            worker.send(_farewell("leave", timeout_s, tunnel_timeout_s))
        return filled

    async def manned(self, slots: Iterable[Slot]) -> list[Slot]:
        """Waits until a worker serves in each of these slots; returns those where none does in time."""
        absent = list(slots)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MANNED_TIMEOUT_S):
                while not self._draining and (absent := [one for one in absent if one.state != "ready"]):
                    self._changed.clear()
                    await self._changed.wait()
        return absent

    def has_room_for(self, count: int) -> bool:
        """Are there lanes for so many workers, beside those that are leaving still?"""
        missing = sum(slot.vacant for slot in self.slots[:count]) + max(0, count - len(self.slots))
        return missing == 0 or missing < self._launcher.free  # one stays in reserve

    async def drain(self, timeout_s: float, tunnel_timeout_s: float) -> None:
        """Has every worker finish what it holds, exchanges and tunnels each in their time; returns when all have gone or
        their time is over.
        """
        command = _farewell("drain", timeout_s, tunnel_timeout_s)
        self._draining = True
        self._changed.set()
        if self._recruits is not None:
            self._recruits.give_up("the gateway is stopping")
        for task in self._spawning:
            task.cancel()
        for slot in self.slots:
            self._cancel_timer(slot)
        for worker in self.processes():
            if worker.ready:
                worker.send(command)
            else:
                worker.kill()  # it holds nothing yet
        try:
            async with asyncio.timeout(max(timeout_s, tunnel_timeout_s) + DRAIN_GRACE_S):
                while self.processes():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            logger.warning("%d workers did not finish in time", len(self.processes()))

    def reopen_logs(self) -> None:
        """Has every worker, and every later one at its start, open the access log anew. The first call is also the
        permission to write on standard output, where the ready line comes first.
        """
        self._logging = True
        for worker in self.processes():
            worker.send(REOPEN_LOGS)

    def destroy(self) -> None:
        """Kills and reaps whatever is left, at once."""
        self._draining = True
        for task in self._spawning:
            task.cancel()
        for slot in self.slots:
            self._cancel_timer(slot)
        if self._recruits is not None:
            self._recruits.destroy()
        for worker in self.processes():
            worker.destroy()
        for slot in self.slots:
            slot.worker = None
        self._leaving.clear()

    def processes(self) -> list[WorkerProcess]:
        """The workers that exist now, in the order of their slots; at the end those that are leaving."""
        return [*(slot.worker for slot in self.slots if slot.worker is not None), *self._leaving]

    def occupied(self) -> list[Slot]:
        """The slots that a worker is wanted for."""
        return [slot for slot in self.slots if not slot.vacant]

    def ready(self) -> list[int]:
        """The slots whose worker serves."""
        return [slot.number for slot in self.slots if slot.worker is not None and slot.worker.serves]

    def settle(self) -> None:
        """Has those who serve adopt the sockets of those who do not, and give back what is served again."""
        if self._draining:
            return  # nobody accepts any more
        # A slot that was never served has no queue that anybody would wait in: its own worker is about to open it.
        served = [slot.number for slot in self.slots if slot.served]
        self._adoptions, orders = adoption.settle(served, self.ready(), self._adoptions)
        for order in orders:
            adopter = self.slots[order.worker].worker
            if adopter is None:
                continue  # it died, and what it had adopted is gone with it
            logger.info("worker %d: %s slot %d", order.worker, order.verb, order.slot)
            adopter.send({"type": order.verb, "slot": order.slot})

    # What the processes report.

    def heard(self, worker: WorkerProcess, message: Message) -> None:
        """Takes a worker's message; one of an unknown type or shape is logged and dropped."""
        match message:
            case {"type": "ack", "epoch": int(epoch)}:
                self.publisher.acknowledged(worker, epoch)
                if not worker.ready and worker not in self._leaving:
                    worker.send(SERVE)
            case {"type": "refused", "epoch": int(epoch), "reason": str(reason)}:
                logger.error("worker %d refuses snapshot %d: %s", worker.slot, epoch, reason)
                self.publisher.refused(worker, epoch, reason)
            case {"type": "ready"}:
                self._serves(worker)
            case {"type": "drained"}:
                logger.debug("worker %d (pid %d) has drained", worker.slot, worker.pid)
            case _:
                logger.warning(
                    "worker %d sent a message that is not understood: %.200r", worker.slot, message
                )

    def died(self, worker: WorkerProcess) -> None:
        """Folds the lane of a dead worker and fills its slot again."""
        slot = self.slots[worker.slot]
        self._launcher.fold(worker)
        self.publisher.gone(worker)
        left = worker in self._leaving
        self._leaving.discard(worker)
        if not left:
            slot.worker, slot.last_exit = None, worker.ending
        self._changed.set()
        if self._draining:
            return
        if left:
            logger.info("%r has left: it %s", worker, worker.ending)
            return
        self.settle()
        self._replace(slot, f"worker {worker.slot} (pid {worker.pid}) {worker.ending}")

    # How a slot is filled.

    async def _first_snapshot(self, snapshot: Mapping[str, Any], blob: bytes) -> None:
        refusals = await self.publisher.publish(snapshot, blob, self.processes())
        if refusals:
            raise StartError(
                f"worker {refusals[0].worker.slot} refuses the configuration: {refusals[0].reason}"
            )

    async def _spawn(self, slot: Slot) -> None:
        slot.worker = await self._launcher.launch(slot.number, self._equipment, self)
        self.publisher.greet(slot.worker)
        if self._logging:
            slot.worker.send(REOPEN_LOGS)

    def _take_on(self, slot: Slot) -> None:
        """Has the recruit for a slot serve; if it has died since, a worker starts as after any death."""
        recruit = self._recruits.take(slot.number) if self._recruits is not None else None
        if recruit is None:
            self._begin_respawn(slot)
            return
        slot.worker, recruit.observer = recruit, self
        recruit.send(SERVE)
        if self._logging:
            recruit.send(REOPEN_LOGS)

    async def _respawn(self, slot: Slot) -> None:
        try:
            await self._spawn(slot)
        except OSError as error:
            slot.last_exit = f"could not be started ({error})"
            self._replace(slot, f"worker {slot.number} {slot.last_exit}")

    def _replace(self, slot: Slot, cause: str) -> None:
        slot.history, delay = restart_policy.after_death(slot.history, self._clock())
        starting = self._started is not None and not self._started.done()
        if starting and not slot.served and len(slot.history.deaths) >= START_ATTEMPTS:
            self._give_up(f"{cause}, {START_ATTEMPTS} times before it was ready; its own words stand above")
            return
        slot.restarts += 1
        if delay:
            logger.error(
                "%s; crash loop: %d deaths in a short time, so the next one starts in %.2f s",
                cause,
                len(slot.history.deaths),
                delay / NANOSECONDS,
            )
            loop = asyncio.get_running_loop()
            slot.timer = loop.call_later(delay / NANOSECONDS, self._begin_respawn, slot)
        else:
            logger.error("%s; a new one starts at once", cause)
            self._begin_respawn(slot)

    def _begin_respawn(self, slot: Slot) -> None:
        slot.timer = None
        task = slot.spawning = asyncio.get_running_loop().create_task(self._respawn(slot))
        self._spawning.add(task)
        task.add_done_callback(self._spawning.discard)

    def _vacate(self, slot: Slot) -> WorkerProcess | None:
        """Empties a slot; returns its worker if that serves clients, and ends it otherwise."""
        slot.vacant = True
        self._cancel_timer(slot)
        if slot.spawning is not None:
            slot.spawning.cancel()  # no effect when the process exists
        worker, slot.worker = slot.worker, None
        if worker is None:
            return None
        self._leaving.add(worker)
        if worker.ready:
            return worker
        worker.kill()
        return None

    def _give_up(self, reason: str) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(StartError(reason))

    def _serves(self, worker: WorkerProcess) -> None:
        if worker in self._leaving:
            return  # it was killed while it said so
        worker.ready = True
        self.slots[worker.slot].served = True
        logger.info("worker %d (pid %d) serves on lane %d", worker.slot, worker.pid, worker.lane)
        everybody = all(slot.worker is not None and slot.worker.ready for slot in self.slots)
        if self._started is not None and not self._started.done() and everybody:
            self._started.set_result(None)
        self._changed.set()
        self.settle()

    @staticmethod
    def _cancel_timer(slot: Slot) -> None:
        if slot.timer is not None:
            slot.timer.cancel()
            slot.timer = None


def _farewell(kind: str, timeout_s: float, tunnel_timeout_s: float) -> Message:
    return {
        "type": kind,
        "timeout_ms": round(timeout_s * 1000),
        "tunnel_timeout_ms": round(tunnel_timeout_s * 1000),
    }


def _settle_unread(future: asyncio.Future[None]) -> None:
    """Closes a future that nobody will await any more, so that its error is not reported as forgotten."""
    if not future.cancel() and not future.cancelled():
        future.exception()
