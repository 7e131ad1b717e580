"""Connections come and go by the thousand, in every manner, and leave nothing behind."""

import asyncio
import itertools
from dataclasses import dataclass

import pytest

from tests.helpers import Client, Gateway, configuration, eventually
from tests.helpers.instance import Instance
from tests.helpers.processes import open_files, private_bytes, threads
from tests.helpers.proof import PROOF

CONNECTIONS = 100_000 if PROOF else 3_000
WARM_UP = 1_000
"""So many connections fill caches, free lists and the allocator's own stock."""
AT_ONCE = 32
GROWTH_BYTES = 2 << 20
"""What the allocator may keep beyond; 100,000 connections that left 100 bytes each would be five times that."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PART = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it"


@dataclass(frozen=True, slots=True)
class Size:
    """What a worker has taken of the machine."""

    memory: int
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Size":
        """Now."""
        return cls(private_bytes(pid), open_files(pid), threads(pid))


async def asks_and_leaves(client: Client) -> None:
    """The client closes after its answer."""
    assert (await client.exchange(GET))[0].status == 200


async def asks_for_the_end(client: Client) -> None:
    """The gateway closes after the answer."""
    assert (await client.exchange(LAST))[0].status == 200
    assert await client.at_end() == b""


async def gives_up(client: Client) -> None:
    """The client resets while its request is with the instance."""
    await client.send(GET)
    client.reset()


async def breaks_its_word(client: Client) -> None:
    """The client leaves in the middle of its body."""
    await client.send(PART)


async def speaks_nonsense(client: Client) -> None:
    """The gateway refuses and closes."""
    await client.send(b"nonsense\r\n\r\n")
    assert (await client.at_end()).startswith(b"HTTP/1.1 400 ")


async def says_nothing(client: Client) -> None:
    """The client has connected, and leaves."""
    del client


MANNERS = [asks_and_leaves, asks_for_the_end, gives_up, breaks_its_word, speaks_nonsense, says_nothing]


async def come_and_go(gateway: Gateway, count: int) -> None:
    """So many connections, some at once, in all manners in turn."""
    manners = itertools.islice(itertools.cycle(MANNERS), count)

    async def visit() -> None:
        for manner in manners:
            async with Client(gateway) as client:
                await manner(client)

    await asyncio.gather(*(visit() for _ in range(AT_ONCE)))


@pytest.mark.timeout(1200)
async def test_connections_leave_nothing_behind() -> None:
    """Memory, descriptors, threads and the pool are where they were after the first thousand."""
    service = 'max_idle = 4\ntimeouts = { keepalive = "300s" }'
    async with Instance() as instance, Gateway(configuration(instance, service=service)) as gateway:
        (worker,) = gateway.workers

        def at_rest() -> bool:
            """Are only the four pooled connections left, beside what an idle worker holds?"""
            return open_files(worker) <= idle + 4

        idle = open_files(worker)
        await come_and_go(gateway, WARM_UP)
        await eventually(gateway.empty)
        await eventually(at_rest)
        before = Size.of(worker)
        await come_and_go(gateway, CONNECTIONS)
        await eventually(gateway.empty)
        await eventually(at_rest)
        after = Size.of(worker)
        metrics = await gateway.metrics()
    assert metrics.sum("headgate_connections_accepted_total") == WARM_UP + CONNECTIONS
    assert metrics.sum("headgate_connections_ended_total") == WARM_UP + CONNECTIONS
    assert metrics.sum("headgate_connections") == 0
    assert metrics.sum("headgate_faults_total") == metrics.sum("headgate_nonsense_total") == 0
    assert after.memory - before.memory < GROWTH_BYTES
    assert after.threads == before.threads
