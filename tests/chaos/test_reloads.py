"""Reloads under load: nobody notices, and nothing is left behind."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.conversations import Conversations
from tests.helpers.load import Load
from tests.helpers.message import read_head
from tests.helpers.proof import PROOF
from tests.helpers.websocket import WebSocketEcho

RELOADS, SECONDS = (50, 60.0) if PROOF else (8, 4.0)
STREAM = 64 * 1024 * 1024 if PROOF else 16 * 1024 * 1024
WEBSOCKETS = 50
GROWTH_KIB = 4096
EXTRA = '[[listen]]\naddress = "127.0.0.2:0"'


@pytest.mark.timeout(300)
async def test_reloads_under_load() -> None:
    """One in five is invalid; new connections, kept ones, streams and WebSockets see nothing of any, and the processes
    do not grow.
    """
    conversations = Conversations()
    async with Origin(b"x") as origin, Origin(bytes(STREAM)) as large, WebSocketEcho() as echo:
        further = [f'path = "/{name}"\nservice = "{name}"' for name in ("big", "echo")]
        services = (
            f'[services.big]\ninstances = ["{large.address}"]\n'
            f'[services.echo]\ninstances = ["{echo.address}"]'
        )

        def text(number: int) -> str:
            return configuration(
                origin,
                workers=2,
                routes=further,
                services=services,
                listen=EXTRA if number % 2 else "",
                service=f"max_idle = {number % 7 + 8}",
                route="" if number % 5 else "path = 1",
            )

        async with Gateway(text(1)) as gateway:
            for number in (2, 3, 4, 6):
                await gateway.reload(text(number))
            async with contextlib.AsyncExitStack() as stack:
                kept = await stack.enter_async_context(Load(gateway, clients=64))
                new = await stack.enter_async_context(Load(gateway, clients=4, new_connections=True))
                await stack.enter_async_context(conversations.held(gateway, WEBSOCKETS, "/echo"))
                await kept.more(500)
                before = _footprint(gateway)
                streams = [asyncio.create_task(_stream(gateway)) for _ in range(4)]
                began = time.monotonic()
                for number in range(RELOADS):
                    code, _ = await gateway.reload(text(number))
                    assert code == (200 if number % 5 else 422)
                    due = began + SECONDS * (number + 1) / RELOADS
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    assert number > RELOADS // 2 or not any(stream.done() for stream in streams)
                assert await asyncio.gather(*streams) == [STREAM] * 4
                await kept.more(500)
                await eventually(lambda: _is_back(before, _footprint(gateway)), within=10)
                assert not conversations.ended, "a WebSocket was cut"
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_requests_total", code=101) == WEBSOCKETS
            assert conversations.frames > WEBSOCKETS * RELOADS
            assert kept.tally.failures == 0, kept.tally
            assert new.tally.failures == 0, new.tally


async def _stream(gateway: Gateway) -> int:
    """Reads a large answer at a pace that makes it last through the reloads; its length."""
    async with Client(gateway, receive_buffer=1 << 16, limit=1 << 16) as client:
        await client.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await read_head(client.reader)
        assert head is not None
        assert head.start[1] == "200"
        length = 0
        while length < STREAM:
            data = await client.reader.read(1 << 18)
            assert data, "a stream was cut"
            length += len(data)
            await asyncio.sleep(SECONDS * len(data) / STREAM)
        return length


Footprint = dict[str, int]


def _footprint(gateway: Gateway) -> Footprint:
    """Private memory, descriptors and threads of supervisor and workers together."""
    pids = [gateway.pid, *gateway.worker_pids()]
    sums = {"RssAnon": 0, "Threads": 0, "descriptors": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0])
        sums["descriptors"] += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return sums


def _is_back(before: Footprint, after: Footprint) -> bool:
    """Load itself moves descriptors by what it has open at the moment, and memory by its buffers."""
    assert after["Threads"] <= before["Threads"] + 1, (before, after)
    assert after["descriptors"] <= before["descriptors"] + 16, (before, after)
    assert after["RssAnon"] <= before["RssAnon"] + GROWTH_KIB, (before, after)
    return True
