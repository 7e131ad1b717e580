"""Further workers for a new configuration: all of them are there before it comes into force, or it does not come.

A recruit takes the new snapshot and then waits: it accepts no connection until it is told to serve. So whatever can keep
a worker from coming up (no process to be had, a start that fails, a snapshot that is refused) shows while nothing has
changed.
"""

import asyncio
import logging
from collections.abc import Sequence

from gateway.channel import Message
from gateway.supervisor.launch import Equipment, Launcher
from gateway.supervisor.process import WorkerProcess

logger = logging.getLogger("headgate.workers")

MUSTER_TIMEOUT_S = 60.0  # a healthy worker needs half a second; the rest is for machines in trouble
DISMISSAL_TIMEOUT_S = 5.0  # a killed process goes at once, unless the machine is stuck


class NoRecruitError(Exception):
    """A worker did not come up, for the reason given; none of the others is kept."""


class Recruits:
    """The workers of one muster, by slot. Implements ``Observer`` until each is taken on by somebody else."""

    def __init__(self, launcher: Launcher, epoch: int) -> None:
        """``epoch``: that of the snapshot that they have to take."""
        self._launcher = launcher
        self._epoch = epoch
        self._workers: dict[int, WorkerProcess] = {}
        self._failure = ""
        self._unprepared: set[int] = set()
        self._settled = asyncio.Event()
        self._death = asyncio.Event()

    async def muster(self, slots: Sequence[int], equipment: Equipment, snapshot: bytes) -> None:
        """Starts a worker for each slot; returns when all have taken the snapshot, an encoded frame. Raises NoRecruitError."""
        self._unprepared.update(slots)
        try:
            async with asyncio.timeout(MUSTER_TIMEOUT_S):
                await self._start(slots, equipment, snapshot)
                await self._settled.wait()
        except TimeoutError:
            waited_for = min(self._unprepared, default=slots[0])
            self.give_up(f"worker {waited_for} was not ready within {MUSTER_TIMEOUT_S:.0f} s")
        except OSError as error:
            self.give_up(f"a further worker cannot be started: {error.strerror or error}")
        except asyncio.CancelledError:
            self.give_up("the reload was called off")
            await self._emptied()
            raise
        if self._failure:
            await self._emptied()
            raise NoRecruitError(self._failure)

    def give_up(self, reason: str) -> None:
        """Ends whoever is still here; a muster under way fails for this reason, unless it has failed before."""
        self._failure = self._failure or reason
        self._settled.set()
        for worker in self._workers.values():
            worker.kill()

    def take(self, slot: int) -> WorkerProcess | None:
        """The worker for a slot, which from now on is the caller's; None if it has died since."""
        return self._workers.pop(slot, None)

    def destroy(self) -> None:
        """Kills and reaps at once, without the loop."""
        self.give_up("the gateway has stopped")
        for worker in self._workers.values():
            worker.destroy()
        self._workers.clear()
        self._death.set()

    # What the processes report.

    def heard(self, worker: WorkerProcess, message: Message) -> None:
        """It has taken the snapshot, or refuses it."""
        match message:
            case {"type": "ack", "epoch": self._epoch}:
                self._unprepared.discard(worker.slot)
                if not self._unprepared:
                    self._settled.set()
            case {"type": "refused", "reason": str(reason)}:
                self.give_up(f"worker {worker.slot} refuses the configuration: {reason}")
            case _:
                logger.warning("%r sent a message that is not understood: %.200r", worker, message)

    def died(self, worker: WorkerProcess) -> None:
        """One that fails the muster, or falls with it."""
        self._launcher.fold(worker)
        self._workers.pop(worker.slot, None)
        self._death.set()
        if worker.slot in self._unprepared:
            self.give_up(
                f"worker {worker.slot} {worker.ending} before it was ready; its own words are in the log"
            )

    # Private helpers

    async def _start(self, slots: Sequence[int], equipment: Equipment, snapshot: bytes) -> None:
        for slot in slots:
            worker = await self._launcher.launch(slot, lambda: equipment, self)
            self._workers[slot] = worker
            worker.send_frame(snapshot)
            if self._failure:
                worker.kill()
                return

    async def _emptied(self) -> None:
        """Waits until their lanes are free again, and their copies of the new sockets closed."""
        try:
            async with asyncio.timeout(DISMISSAL_TIMEOUT_S):
                while self._workers:
                    self._death.clear()
                    await self._death.wait()
        except TimeoutError:
            logger.error("processes that do not end: %s", list(self._workers.values()))  # noqa: TRY400 - no bug
