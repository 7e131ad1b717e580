"""Load that keeps count: what was asked, what came back, and what failed."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from tests.helpers.client import Client
from tests.helpers.gateway import Gateway


@dataclass(slots=True)
class Tally:
    """What the clients saw."""

    answers: Counter[int] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    longest_wait: float = 0.0

    @property
    def failures(self) -> int:
        """Requests without a good answer."""
        return len(self.errors) + sum(count for status, count in self.answers.items() if status != 200)


class Load:
    """Clients that ask for ``/`` without a pause from entering the context to leaving it.

    ``new_connections`` makes every request on a connection of its own; ``idempotent`` asks with GET, which the
    gateway may send again. Without it the requests are POSTs, which the gateway never repeats. The clients themselves
    repeat nothing.
    """

    def __init__(
        self, gateway: Gateway, *, clients: int = 8, new_connections: bool = False, idempotent: bool = False
    ) -> None:
        self.tally = Tally()
        self._gateway = gateway
        self._clients = clients
        self._method = "GET" if idempotent else "POST"
        self._request = f"{self._method} / HTTP/1.1\r\nHost: load\r\nContent-Length: 0\r\n\r\n".encode()
        self._new_connections = new_connections
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def more(self, requests: int) -> None:
        """Waits until that many more requests have ended."""
        wanted = self._ended + requests
        async with asyncio.timeout(30):
            while self._ended < wanted:
                await asyncio.sleep(0.005)

    @property
    def _ended(self) -> int:
        return self.tally.answers.total() + len(self.tally.errors)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self) -> None:
        while not self._stopping.is_set():
            try:
                async with Client(self._gateway) as client:
                    await self._ask_on(client)
            except (OSError, AssertionError, asyncio.IncompleteReadError) as error:
                self.tally.errors.append(repr(error))

    async def _ask_on(self, client: Client) -> None:
        """Asks on one connection until it may carry no further request."""
        while not self._stopping.is_set():
            started = time.monotonic()
            (response,) = await client.exchange(self._request, self._method)
            self.tally.longest_wait = max(self.tally.longest_wait, time.monotonic() - started)
            if response.aborted:
                raise ConnectionError(f"aborted: {response.aborted}")
            self.tally.answers[response.status] += 1
            if self._new_connections or response.fields.one("connection") == "close":
                return
