"""Watches the heartbeats in the lanes: has neighbours serve for a worker that is late, and kills one that is lost."""

import logging
from collections.abc import Callable
from typing import Protocol

from gateway.clock import NANOSECONDS
from gateway.supervisor import heartbeat
from gateway.supervisor.heartbeat import Condition, Pulse, Watch
from gateway.supervisor.process import WorkerProcess
from gateway.supervisor.repeating import Repeating
from gateway.supervisor.workers import Workers

logger = logging.getLogger("headgate.workers")


class Readings(Protocol):
    """What is read from the shared memory; ``gateway.state.view`` offers it."""

    def lanes(self) -> list[tuple[int, int, int, int]]:
        """Live lanes as (lane, pid, snapshot epoch seen, heartbeat)."""


class Monitor:
    """Looks at all workers ten times a second, from ``start`` to ``stop``."""

    def __init__(self, workers: Workers, readings: Readings, *, clock: Callable[[], int]) -> None:
        self._workers = workers
        self._readings = readings
        self._clock = clock
        self._watch = Watch(clock())
        self._dying: set[int] = set()
        self._looks = Repeating(
            self.look, heartbeat.LOOK_NS / NANOSECONDS, logger, "a look at the workers failed"
        )

    def start(self) -> None:
        """Begins to watch."""
        self._watch = Watch(self._clock())
        self._looks.start()

    async def stop(self) -> None:
        """Ends the watch. Idempotent."""
        await self._looks.stop()

    def look(self) -> None:
        """One look at every worker."""
        beats = {lane: beat for lane, _, _, beat in self._readings.lanes()}
        workers = {worker.pid: worker for worker in self._workers.processes()}
        seen = {pid: beats.get(worker.lane, 0) for pid, worker in workers.items()}
        self._watch = heartbeat.look(self._watch, seen, self._clock())
        if self._watch.unwatched_ns > heartbeat.LATE_NS:
            logger.warning("the supervisor was held up for %.1f s", self._watch.unwatched_ns / NANOSECONDS)
        self._note([(worker, self._watch.pulses[pid]) for pid, worker in workers.items()])
        self._dying &= workers.keys()
        for pid in heartbeat.doomed(self._watch.pulses, self._dying):
            self._kill(workers[pid])

    def _note(self, pulses: list[tuple[WorkerProcess, Pulse]]) -> None:
        """Tells each worker's process how it is, and who serves for whom if that has changed."""
        changed = False
        for worker, pulse in pulses:
            late = pulse.condition in {Condition.LATE, Condition.LOST}
            if late == worker.late:
                continue
            worker.late = late
            changed = True
            if late:
                logger.warning("worker %d (pid %d) does not answer", worker.slot, worker.pid)
            else:
                logger.warning("worker %d (pid %d) goes on", worker.slot, worker.pid)
        if changed:
            self._workers.settle()

    def _kill(self, worker: WorkerProcess) -> None:
        silent = self._watch.pulses[worker.pid].silent_ns / NANOSECONDS
        logger.error("worker %d (pid %d) is killed after %.1f s of silence", worker.slot, worker.pid, silent)
        self._dying.add(worker.pid)
        worker.kill()
