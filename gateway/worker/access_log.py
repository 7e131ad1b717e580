"""Brings the access log from the engine to its sink, in batches of whole lines and without ever waiting.

The law: a sink that takes nothing costs lines, never time. What it does not take waits here; meanwhile the engine's own
bounded buffer fills, and lines that do not fit there are dropped and counted.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from gateway.clock import NANOSECONDS, monotonic_ns
from gateway.model import ACCESS_LOG_STDOUT
from gateway.state.lane import Lane
from gateway.worker.log_sink import Sink, open_sink

log = logging.getLogger("headgate.worker")

FINISH_RETRY_SECONDS = 0.01


class AccessLog:
    """The lines of one worker on their way out."""

    def __init__(self, lane: Lane, soon: Callable[[Callable[[], None]], object]) -> None:
        """``soon`` calls a function in the next turn of the loop."""
        self._lane = lane
        self._soon = soon
        self._target: str | None = None
        self._sink: Sink | None = None
        self._lines = b""
        """Taken from the engine; the first ``_done`` bytes are written."""
        self._done = 0
        self._announced = False
        self._complained = False

    def aim(self, target: str | None) -> None:
        """Writes to ``stdout`` or the file at this path from now on; None: the log is off."""
        if target == self._target:
            return
        self.flush()
        self._close()
        self._target = target
        self._lane.on_access_log_due(None if target is None else partial(self._soon, self.flush))
        self._sink = self._open()

    def reopen(self) -> None:
        """Opens the file anew, because it was renamed. Before the first call nothing is written on standard output, where
        the ready line comes first.
        """
        self._announced = True
        if self._sink is not None:
            self.flush()  # what came before the rename stays with the old file
        sink = self._open()
        if sink is not None:
            self._close()
            self._sink = sink
            self.flush()

    def flush(self) -> None:
        """Writes what waits, as far as the sink takes it."""
        if self._target is None:
            return
        if self._sink is None:
            self._sink = self._open()
        while self._sink is not None and self._waits():
            batch = self._lines[self._done : _batch_end(self._lines, self._done, self._sink.most)]
            try:
                self._done += self._sink.write(batch)
            except BlockingIOError:
                return
            except OSError as error:
                self._complain("write", error)
                return
            self._complained = False

    async def finish(self, timeout: float) -> None:  # noqa: ASYNC109 - it bounds a wait that nobody can cancel
        """The worker ends: writes the rest, if the sink takes it within ``timeout`` seconds, and counts what is left."""
        deadline = monotonic_ns() + int(timeout * NANOSECONDS)
        self.flush()
        while self._waits() and self._target is not None and monotonic_ns() < deadline:
            await asyncio.sleep(FINISH_RETRY_SECONDS)
            self.flush()
        while self._waits():
            self._lane.count_dropped_lines(self._lines.count(b"\n", self._done))
            self._done = len(self._lines)
        self._close()

    def _waits(self) -> bool:
        """Are there lines to be written? Takes those of the engine when everything before them is."""
        if self._done == len(self._lines):
            self._lines = self._lane.take_access_log()
            self._done = 0
        return bool(self._lines)

    def _open(self) -> Sink | None:
        if self._target is None or (self._target == ACCESS_LOG_STDOUT and not self._announced):
            return None
        try:
            return open_sink(self._target)
        except OSError as error:
            self._complain("open", error)
            return None

    def _close(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _complain(self, verb: str, error: OSError) -> None:
        """Once, until a write succeeds again; the metric counts the lines."""
        if not self._complained:
            self._complained = True
            log.error("cannot %s the access log %s: %s", verb, self._target, error.strerror or error)


def _batch_end(lines: bytes, start: int, most: int) -> int:
    """Where the last line ends that fits into ``most`` bytes from ``start`` on; no line is longer than that."""
    if len(lines) - start <= most:
        return len(lines)
    return lines.rfind(b"\n", start, start + most) + 1
