"""Starts worker processes, each on a lane of its own, and folds the lane of one that has died."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.supervisor.process import Observer, Place, WorkerProcess


class Lanes(Protocol):
    """The stripes of shared memory that workers write; ``gateway.state.control`` offers them."""

    def open_lane(self, lane: int, pid: int) -> None:
        """Makes a free lane live."""

    def set_lane_pid(self, lane: int, pid: int) -> None:
        """Names the process that writes it."""

    def close_lane(self, lane: int) -> None:
        """Folds and frees it; only ever after the death of its process."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What every worker inherits."""

    memory: int
    wakes: Sequence[int]
    """An eventfd for each lane, which wakes its worker, and one for the supervisor."""
    sockets: Mapping[str, list[int]]
    log_level: str


class Launcher:
    """The lanes that are free, and how a process gets one."""

    def __init__(self, lanes: Lanes, lane_count: int, command: Sequence[str] | None = None) -> None:
        """``command``: what to execute in place of the worker, for tests."""
        self._lanes = lanes
        self._free = list(range(lane_count))
        self.command = command

    @property
    def free(self) -> int:
        """How many more workers there may be at the same time."""
        return len(self._free)

    async def launch(
        self, slot: int, equipment: Callable[[], Equipment], observer: Observer
    ) -> WorkerProcess:
        """A process for a slot. Raises OSError when the system has none to give; its lane is free again then.

        ``equipment`` is asked when nothing is awaited any more: what the process inherits is what is open then.
        """
        lane = self._free.pop(0)
        self._lanes.open_lane(lane, os.getpid())

        def place() -> Place:
            given = equipment()
            return Place(slot, lane, given.memory, given.wakes, given.sockets, given.log_level)

        try:
            worker = await WorkerProcess.start(place, observer, self.command)
        except BaseException:
            self._close(lane)
            raise
        self._lanes.set_lane_pid(lane, worker.pid)
        return worker

    def fold(self, worker: WorkerProcess) -> None:
        """The process has died: its lane may carry another."""
        self._close(worker.lane)

    def _close(self, lane: int) -> None:
        self._lanes.close_lane(lane)
        self._free.append(lane)
