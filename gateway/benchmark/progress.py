"""Shows how far a run is: one line that is written anew on a terminal, now and then a line anywhere else."""

import time
from typing import TextIO

EVERY_SECONDS = 2.0
"""Between two lines where they stay."""
ERASE_LINE = "\r\x1b[K"


class Progress:
    """Lines on a stream, usually standard error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()
        self._last = float("-inf")

    def show(self, line: str) -> None:
        """The state of things; where lines stay, only if the last one is some time ago."""
        if self._rewrites:
            self._stream.write(f"{ERASE_LINE}{line}")
        elif (now := time.monotonic()) - self._last >= EVERY_SECONDS:
            self._last = now
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def say(self, line: str) -> None:
        """What is to stay in any case."""
        self._stream.write(f"{ERASE_LINE}{line}\n" if self._rewrites else f"{line}\n")
        self._stream.flush()
        self._last = time.monotonic()

    def end(self) -> None:
        """Makes room for the result."""
        if self._rewrites:
            self._stream.write(ERASE_LINE)
            self._stream.flush()
