"""Looks at a local target and its machine while a load runs: once for each part of the load."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from gateway.benchmark.cpu import machine_seconds
from gateway.benchmark.local_gateway import Local, Usage

HEARTBEAT_EVERY_SECONDS = 0.5
"""Often enough to meet a loop that is late again and again, and less than 1 % of a core for the supervisor."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What happened during one part."""

    cpu_seconds: float
    """Of all the target's processes."""
    busiest_seconds: float
    """In which the busiest one of them had a CPU, or wanted one."""
    waited_seconds: float
    """In which the target's processes wanted a CPU and others had it."""
    memory_bytes: int
    """Proportional set size at the end."""
    heartbeat_age_seconds: float | None
    """The oldest heartbeat that was seen of a worker; it beats every 50 ms unless its event loop is late."""
    machine_share: float
    """Of all CPUs of the machine, whoever used them."""

    def and_then(self, later: "Observation") -> "Observation":
        """Both times together; the later one is so short that its memory and share of the machine say little."""
        ages = [age for age in (self.heartbeat_age_seconds, later.heartbeat_age_seconds) if age is not None]
        return replace(
            self,
            cpu_seconds=self.cpu_seconds + later.cpu_seconds,
            busiest_seconds=self.busiest_seconds + later.busiest_seconds,
            waited_seconds=self.waited_seconds + later.waited_seconds,
            heartbeat_age_seconds=max(ages, default=None),
        )

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Observation":
        """Reads what ``to_json`` wrote. Raises TypeError or ValueError for anything else."""
        age = document.get("heartbeat_age_seconds")
        known = {name: float(document[name]) for name in cls.__slots__ if name != "heartbeat_age_seconds"}
        return cls(**{**known, "memory_bytes": int(known["memory_bytes"])}, heartbeat_age_seconds=age)  # type: ignore[arg-type]


class Observer:
    """Remembers where it looked last."""

    def __init__(self, local: Local | None) -> None:
        self._local = local
        self._oldest: float | None = None
        self._used: dict[int, Usage] = {}
        self._machine = (0.0, 0.0)
        self.start()

    def start(self) -> None:
        """What was before counts no more."""
        self._machine = machine_seconds()
        self._used = self._local.usage() if self._local is not None else {}
        self._oldest = None

    def look(self) -> Observation | None:
        """What happened since the last look; None when the target is elsewhere."""
        if self._local is None:
            return None
        used, machine = self._local.usage(), machine_seconds()
        spent = [usage - self._used[pid] for pid, usage in used.items() if pid in self._used]
        there = machine[1] - self._machine[1]
        observation = Observation(
            cpu_seconds=sum(one.cpu_seconds for one in spent),
            busiest_seconds=max((one.cpu_seconds + one.waited_seconds for one in spent), default=0.0),
            waited_seconds=sum(one.waited_seconds for one in spent),
            memory_bytes=self._local.memory().proportional,
            heartbeat_age_seconds=self._oldest,
            machine_share=min(1.0, (machine[0] - self._machine[0]) / there) if there > 0 else 0.0,
        )
        self._used, self._machine, self._oldest = used, machine, None
        return observation

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Inside, the heartbeats of a Headgate are looked at."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while self._local is not None and self._local.admin is not None:
            age = await asyncio.to_thread(self._local.heartbeat_age)
            if age is not None:
                self._oldest = max(age, self._oldest or 0.0)
            await asyncio.sleep(HEARTBEAT_EVERY_SECONDS)
