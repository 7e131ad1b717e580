"""Connections that are passed through, while workers are killed and configurations reloaded."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.helpers import Client, Gateway, eventually
from tests.helpers.passage import Echo, passing
from tests.helpers.proof import PROOF

WORKERS = 2
RELOADS = 100 if PROOF else 8
KILLS = 20 if PROOF else 3
PAUSE_SECONDS = 0.002


@dataclass(slots=True)
class Talkers:
    """Clients that talk to an echo all the while; what does not come back as it was sent fails the test."""

    gateway: Gateway
    said: int = 0
    lost: list[str] = field(default_factory=list)
    _stopping: bool = False

    @contextlib.asynccontextmanager
    async def talking(self, kept: int, new: int) -> AsyncIterator[None]:
        """So many on one connection each, and so many that make a new one each time."""
        tasks = [asyncio.create_task(self._talk(number, new=False)) for number in range(kept)]
        tasks += [asyncio.create_task(self._talk(number, new=True)) for number in range(kept, kept + new)]
        try:
            yield
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)

    async def more(self, count: int) -> None:
        """Waits until so many more pieces have come back."""
        wanted = self.said + count
        await eventually(lambda: self.said >= wanted, within=30)

    async def _talk(self, number: int, *, new: bool) -> None:
        while not self._stopping:
            try:
                async with Client(self.gateway) as client:
                    await self._talk_on(client, number, once=new)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.lost.append(repr(error))

    async def _talk_on(self, client: Client, number: int, *, once: bool) -> None:
        for turn in itertools.count():
            piece = b"%d/%d " % (number, turn) * (1 + 400 * (turn % 5))
            await client.send(piece)
            assert await client.reader.readexactly(len(piece)) == piece, "another connection's bytes"
            self.said += 1
            if once or self._stopping:
                client.finish()
                assert await client.reader.read() == b""
                return
            await asyncio.sleep(PAUSE_SECONDS)


@pytest.mark.timeout(300)
async def test_reloads_under_load_lose_no_connection() -> None:
    """Services change, listeners come and go, and no connection notices: neither those that are there nor new ones."""
    async with Echo() as one, Echo() as two:
        texts = [
            passing(one, two, workers=WORKERS),
            passing(two, workers=WORKERS, service='balance = "round_robin"'),
            passing(
                two,
                one,
                workers=WORKERS,
                more='[[listen]]\naddress = "127.0.0.2:0"\nmode = "tcp"\nservice = "db"',
            ),
        ]
        async with Gateway(texts[0]) as gateway:
            talkers = Talkers(gateway)
            async with talkers.talking(kept=8, new=4):
                for number in range(1, RELOADS + 1):
                    await talkers.more(50)
                    code, answer = await gateway.reload(texts[number % len(texts)])
                    assert code == 200, answer
                await talkers.more(50)
            assert talkers.lost == []
            await eventually(gateway.empty)


@pytest.mark.timeout(300)
async def test_a_killed_worker_costs_its_own_connections_only() -> None:
    """The others go on, new ones find a worker at once, and nothing stays in flight of what is gone."""
    async with Echo() as echo, Gateway(passing(echo, workers=WORKERS)) as gateway:
        talkers = Talkers(gateway)
        async with talkers.talking(kept=8, new=0):
            for _ in range(KILLS):
                await talkers.more(50)
                lost = len(talkers.lost)
                victim = gateway.worker_pids()[0]
                os.kill(victim, signal.SIGKILL)
                await talkers.more(50)
                assert len(talkers.lost) - lost <= 8

                async def replaced(victim: int = victim) -> bool:
                    pids = gateway.worker_pids()
                    return (
                        len(pids) == WORKERS
                        and victim not in pids
                        and (await gateway.get("/ready"))[0] == 200
                    )

                await eventually(replaced, within=30)
            assert await gateway.in_flight() == 8
        assert talkers.lost, "no kill has cost anything"
        assert len(talkers.lost) <= 8 * KILLS
        await eventually(gateway.empty)
