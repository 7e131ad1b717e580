"""The process of generated instances: HTTP servers that do what their behaviour says, and nothing else.

The behaviours come pickled on standard input; the ports leave as a line of JSON on standard output, in their order.
"""

import asyncio
import pickle
import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import httptools
import orjson
import uvloop

from gateway.benchmark.simulation.behaviour import Behaviour, Outages

BACKLOG = 4096
MAX_BODY_BYTES = 64 * 1024 * 1024
_HEALTH_PATH = b"/healthz"
_BYTES_PATH = b"/bytes/"


class Instance:
    """One server: its work in progress, and who waits for it."""

    def __init__(self, behaviour: Behaviour, seed: int) -> None:
        self.behaviour = behaviour
        self.connections: set[Connection] = set()
        self._source = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._busy = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._body = b"x" * behaviour.size

    def work(self, connection: "Connection", path: bytes, *, head: bool) -> None:
        """Answers a request after its time; health checks at once."""
        if path == _HEALTH_PATH:
            connection.answer(200, b"ok", head=head)
        elif self._busy >= self.behaviour.capacity:
            self._waiting.append(lambda: self._begin(connection, path, head=head))
        else:
            self._begin(connection, path, head=head)

    def _begin(self, connection: "Connection", path: bytes, *, head: bool) -> None:
        self._busy += 1
        latency = self.behaviour.latency(self._source)
        drawn = self._source.random()
        if drawn < self.behaviour.failures:
            end: Callable[[], None] = partial(connection.answer, 503, b"", head=head)
        elif drawn < self.behaviour.failures + self.behaviour.drops:
            end = connection.reset
        else:
            end = partial(connection.answer, 200, self._content(path), head=head)
        if latency <= 0:
            self._end(end)
        else:
            self._loop.call_later(latency, self._end, end)

    def _end(self, end: Callable[[], None]) -> None:
        self._busy -= 1
        end()
        if self._waiting:
            self._waiting.popleft()()

    def _content(self, path: bytes) -> bytes:
        number = path.removeprefix(_BYTES_PATH)
        if path.startswith(_BYTES_PATH) and number.isdigit():
            return bytes(min(int(number[:12]), MAX_BODY_BYTES))
        return self._body


class Connection(asyncio.Protocol):
    """One client; it asks one thing at a time."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        self._instance.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; what is worked on for it is worked on nevertheless."""
        del exc
        self._transport = None
        self._instance.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Reads requests; who speaks no HTTP is let go."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.reset()
        except httptools.HttpParserError:
            self.reset()

    def on_url(self, url: bytes) -> None:
        """The target, perhaps in pieces."""
        self._url += url

    def on_message_complete(self) -> None:
        """A whole request."""
        path, self._url = self._url.partition(b"?")[0], b""
        self._instance.work(self, path, head=self._parser.get_method() == b"HEAD")

    def answer(self, status: int, body: bytes, *, head: bool) -> None:
        """Sends an answer, if there is still somebody."""
        if self._transport is None or self._transport.is_closing():
            return
        reason = b"OK" if status == 200 else b"Service Unavailable"
        start = b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\n\r\n" % (status, reason, len(body))
        self._transport.write(start if head else start + body)

    def reset(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()


async def _listen(instance: Instance, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(instance), "127.0.0.1", port, backlog=BACKLOG)


async def _disappear(instance: Instance, server: asyncio.Server, port: int, outages: Outages) -> None:
    """Goes and comes back, again and again."""
    await asyncio.sleep(outages.first_seconds)
    while True:
        server.close()
        for connection in list(instance.connections):
            connection.reset()
        await asyncio.sleep(outages.for_seconds)
        server = await _listen(instance, port)
        await asyncio.sleep(outages.every_seconds - outages.for_seconds)


async def _serve(behaviours: Sequence[Behaviour]) -> None:
    ports, tasks = [], []
    for seed, behaviour in enumerate(behaviours):
        instance = Instance(behaviour, seed)
        server = await _listen(instance, 0)
        port = server.sockets[0].getsockname()[1]
        ports.append(port)
        if behaviour.outages is not None:
            tasks.append(asyncio.create_task(_disappear(instance, server, port, behaviour.outages)))
    sys.stdout.buffer.write(orjson.dumps(ports) + b"\n")
    sys.stdout.buffer.flush()
    await asyncio.gather(asyncio.Event().wait(), *tasks)


def main() -> None:
    """Serves until the process is ended."""
    behaviours: list[Behaviour] = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the command that started this process
    uvloop.run(_serve(behaviours))


if __name__ == "__main__":
    main()
