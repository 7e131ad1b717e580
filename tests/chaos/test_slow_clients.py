"""Crowds of clients that are slow on purpose: those who are not notice nothing, and each slow one is gone in its time."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

import pytest

from tests.chaos.slow_crowd import LISTEN, MANNERS, PATH, Ends
from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.gateway import ROOT
from tests.helpers.processes import open_files
from tests.helpers.proof import PROOF, promptly

CROWD = 2_000 if PROOF else 30
"""In each manner."""
LATE_SECONDS = promptly(1.0)
P99_SECONDS = promptly(0.25)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Crowd:
    """The process of the slow clients and of their instance."""

    def __init__(self) -> None:
        self.port = 0
        """The instance's."""
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.slow_crowd", str(CROWD), cwd=ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(await self._process.stdout.readline())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._process._transport.close()  # type: ignore[attr-defined]  # else the collector closes its pipes

    @property
    def address(self) -> str:
        """The instance's, as a configuration names it."""
        return f"127.0.0.1:{self.port}"

    async def ask(self, gateway: Gateway) -> dict[str, Ends]:
        """Everybody asks this gateway, and waits until it has had enough: how that went, by manner."""
        out, _ = await self._process.communicate(b"%d\n" % gateway.port)
        return {name: Ends(**one) for name, one in json.loads(out).items()}


@dataclass(slots=True)
class Regular:
    """A client in no hurry and without delay: it asks, reads, and asks again after a moment."""

    gateway: Gateway
    kept: bool
    """On one connection; otherwise each time on another."""
    waits: list[float] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """From entering to leaving; whatever goes wrong fails the test there."""
        leaving = asyncio.Event()
        task = asyncio.create_task(self._ask(leaving))
        yield
        leaving.set()
        await task

    async def _ask(self, leaving: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not leaving.is_set():
            async with Client(self.gateway) as client:
                for _ in range(1_000_000 if self.kept else 1):
                    start = loop.time()
                    (response,) = await client.exchange(GET)
                    self.waits.append(loop.time() - start)
                    assert (response.status, response.aborted) == (200, None)
                    await asyncio.sleep(0.02)
                    if leaving.is_set():
                        break

    def p99(self) -> float:
        """Of the waits for an answer, in seconds."""
        assert len(self.waits) >= 100
        return sorted(self.waits)[len(self.waits) * 99 // 100]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_crowd_of_slow_clients() -> None:
    """Slow heads, slow bodies and slow readers, all at the same time, beside a kept connection and ever new ones."""
    async with Origin(b"ok") as origin, Crowd() as crowd:
        text = configuration(
            origin,
            listen=LISTEN,
            services=f'[services.library]\ninstances = ["{crowd.address}"]',
            routes=[f'path = "{PATH}"\nservice = "library"'],
        )
        async with Gateway(text) as gateway:
            (worker,) = gateway.workers
            idle = open_files(worker)
            regulars = Regular(gateway, kept=True), Regular(gateway, kept=False)
            async with regulars[0].asking(), regulars[1].asking():
                ends = await crowd.ask(gateway)
            await eventually(gateway.empty)
            await eventually(
                lambda: open_files(worker) <= idle + 2, why="only what regular clients used is pooled"
            )
            metrics = await gateway.metrics()
    for name, manner in MANNERS.items():
        assert ends[name].strange == []
        assert ends[name].earliest >= manner.deadline, name
        assert ends[name].latest <= manner.deadline + LATE_SECONDS, name
    assert max(regular.p99() for regular in regulars) < P99_SECONDS
    assert metrics.sum("headgate_faults_total") == metrics.sum("headgate_nonsense_total") == 0
