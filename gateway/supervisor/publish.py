"""Brings a snapshot of the configuration to every worker and collects their answers."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.channel import encode
from gateway.supervisor.process import WorkerProcess


@dataclass(frozen=True, slots=True)
class Refusal:
    """A worker could not take the snapshot, for the reason it gave."""

    worker: WorkerProcess
    reason: str


@dataclass(slots=True)
class _Round:
    """One publication under way: who has not answered yet."""

    epoch: int
    waiting: dict[int, WorkerProcess]
    done: asyncio.Event = field(default_factory=asyncio.Event)
    refusals: list[Refusal] = field(default_factory=list)

    def answered(self, worker: WorkerProcess) -> None:
        self.waiting.pop(worker.pid, None)
        if not self.waiting:
            self.done.set()


class Publisher:
    """Holds the current snapshot as one encoded frame; a worker that starts later gets it as its first message."""

    def __init__(self) -> None:
        self.epoch = 0
        self._frame: bytes | None = None
        self._round: _Round | None = None

    async def publish(
        self, message: Mapping[str, Any], blob: bytes, workers: Iterable[WorkerProcess]
    ) -> list[Refusal]:
        """Sends a ``snapshot`` message with its blob; returns once each of the workers has answered or died."""
        self._frame = encode(dict(message), blob)
        self.epoch = message["epoch"]
        recipients = list(workers)
        self._round = _Round(self.epoch, {worker.pid: worker for worker in recipients})
        for worker in recipients:
            worker.send_frame(self._frame)
        if recipients:
            await self._round.done.wait()
        return self._round.refusals

    def silent(self) -> list[WorkerProcess]:
        """The workers that have not answered the last publication yet."""
        return list(self._round.waiting.values()) if self._round is not None else []

    def greet(self, worker: WorkerProcess) -> None:
        """Sends the current snapshot, if there is one yet, to a worker that has just started."""
        if self._frame is not None:
            worker.send_frame(self._frame)

    def acknowledged(self, worker: WorkerProcess, epoch: int) -> None:
        """The worker decides by this snapshot from now on."""
        if self._round is not None and self._round.epoch == epoch:
            self._round.answered(worker)

    def refused(self, worker: WorkerProcess, epoch: int, reason: str) -> None:
        """The worker keeps what it had."""
        if self._round is not None and self._round.epoch == epoch:
            self._round.refusals.append(Refusal(worker, reason))
            self._round.answered(worker)

    def gone(self, worker: WorkerProcess) -> None:
        """The worker died; its successor is greeted with the current snapshot."""
        if self._round is not None:
            self._round.answered(worker)
