"""Runs the sources of every service and reports each change of a service's members."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from gateway.supervisor.discovery import static
from gateway.supervisor.discovery.merge import Member, Merge

Changed = Callable[[str, tuple[Member, ...]], None]
Watch = Callable[[Member, Callable[[Sequence[Member]], None]], Coroutine[Any, Any, None]]


class DiscoveryService:
    """Source 0 of a service is what stands in the file; each DNS name is a further one."""

    def __init__(self, changed: Changed, watch: Watch) -> None:
        """``watch`` follows one name until it is cancelled, as ``dns.watch`` does."""
        self._changed = changed
        self._watch = watch
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, service: str, configured: Sequence[Member]) -> None:
        """Reports the fixed members before it returns, those behind names when they are found."""
        fixed, named = static.partition(configured)
        merge = Merge(1 + len(named))
        self._take(service, merge, 0, fixed)
        for source, name in enumerate(named, start=1):
            follow = self._watch(name, partial(self._take, service, merge, source))
            self._tasks.append(asyncio.get_running_loop().create_task(follow))

    async def close(self) -> None:
        """Ends all sources."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _take(self, service: str, merge: Merge, source: int, members: Sequence[Member]) -> None:
        merged = merge.update(source, members)
        if merged is not None:
            self._changed(service, merged)
