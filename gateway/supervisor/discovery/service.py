"""Runs the sources of every service and reports each change of a service's members."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from gateway.supervisor.discovery import static
from gateway.supervisor.discovery.merge import Member, Merge

Changed = Callable[[str, tuple[Member, ...]], None]
Watch = Callable[[Member, Callable[[Sequence[Member]], None]], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Sources:
    """The sources of one service, and what each name led to last."""

    configured: tuple[Member, ...]
    merge: Merge
    found: dict[Member, tuple[Member, ...]] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def found_behind(self, name: Member) -> list[Member]:
        """What the same name led to before, with the weight and the cap that it has now."""
        return [
            replace(name, address=member.address)
            for before, members in self.found.items()
            if before.address == name.address
            for member in members
        ]

    def cancel(self) -> None:
        """Ends them."""
        for task in self.tasks:
            task.cancel()


class DiscoveryService:
    """Source 0 of a service is what stands in the file; each DNS name is a further one."""

    def __init__(self, changed: Changed, watch: Watch) -> None:
        """``watch`` follows one name until it is cancelled, as ``dns.watch`` does."""
        self._changed = changed
        self._watch = watch
        self._services: dict[str, _Sources] = {}

    def set(self, service: str, configured: Sequence[Member]) -> None:
        """Takes the configured members of a service, a new one or one that had others.

        Reports the fixed ones before it returns, those behind names when they are found; a name that was followed
        before counts with what it led to until it is resolved again.
        """
        before = self._services.get(service)
        if before is not None and before.configured == tuple(configured):
            return
        fixed, named = static.partition(configured)
        sources = self._services[service] = _Sources(tuple(configured), Merge(1 + len(named)))
        if before is not None:
            sources.found = {name: tuple(before.found_behind(name)) for name in named}
        updates = [fixed, *(sources.found.get(name, ()) for name in named)]
        members = None
        for source, update in enumerate(updates):
            members = sources.merge.update(source, update) or members
        if members is not None:
            self._changed(service, members)
        if before is not None:
            before.cancel()
        for source, name in enumerate(named, start=1):
            follow = self._watch(name, partial(self._take, service, sources, name, source))
            sources.tasks.append(asyncio.get_running_loop().create_task(follow))

    def remove(self, service: str) -> None:
        """Ends the sources of a service."""
        self._services.pop(service).cancel()

    async def close(self) -> None:
        """Ends all sources."""
        tasks = [task for sources in self._services.values() for task in sources.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._services.clear()

    def _take(
        self, service: str, sources: _Sources, name: Member, source: int, members: Sequence[Member]
    ) -> None:
        if members:
            sources.found[name] = tuple(members)
        merged = sources.merge.update(source, members)
        if merged is not None:
            self._changed(service, merged)
