"""Calls a function again and again, whatever becomes of a call."""

import asyncio
import contextlib
import logging
from collections.abc import Callable


class Repeating:
    """One task that calls at an interval, from ``start`` to ``stop``; a call that raises is logged, the next one may not."""

    def __init__(
        self, act: Callable[[], object], interval_s: float, logger: logging.Logger, failed: str
    ) -> None:
        """``failed`` is what the log says of a call that raised."""
        self._act = act
        self._interval_s = interval_s
        self._logger = logger
        self._failed = failed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins; the first call comes after one interval."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends it. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                self._act()
            except Exception:
                self._logger.exception(self._failed)
