"""Proof: a request that is not idempotent reaches instances at most once, however they fail and whatever may be retried."""

import asyncio
import random
from collections import Counter

import pytest

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.message import render
from tests.helpers.origin import OriginConnection
from tests.helpers.proof import PROOF

POSTS = 10_000 if PROOF else 100
CLIENTS = 8
ENDS = ("at once", "idle", "head", "body", "within", "after", "never", "never", "never")
"""Where an instance resets a connection: before a request, before the next one, behind a request's head or body, within
the answer, behind it; or nowhere."""


class ResetsSomewhere(Origin):
    """Resets its connections at random points of the exchanges; ``arrived`` counts requests by their identity."""

    def __init__(self, seed: int, arrived: Counter[str]) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._arrived = arrived

    async def serve(self, connection: OriginConnection) -> None:
        """Request after request, until one has bad luck."""
        while True:
            end = self._random.choice(ENDS)
            if end == "at once":
                return connection.reset()
            request = await self.read_request(connection, with_body=False)
            if request is None:
                return None
            self._arrived[request.fields.one("x-id") or ""] += 1
            if end == "head":
                return connection.reset()
            await self.read_body(request, connection)
            if end == "body":
                return connection.reset()
            answer = render("HTTP/1.1 200 OK", [("Content-Length", "10")], b"0123456789")
            await connection.send(answer[: -5 if end == "within" else None])
            if end in {"within", "after"}:
                return connection.reset()
            if end == "idle":
                await asyncio.sleep(self._random.random() / 100)
                return connection.reset()


@pytest.mark.timeout(1200)
async def test_no_post_arrives_twice() -> None:
    """Unique identities, three instances and a dead one, retries on: none is seen twice, and many are answered."""
    arrived: Counter[str] = Counter()
    statuses: Counter[int | str] = Counter()
    retry = "retry = { attempts = 3 }"

    async def post(client: Client, number: int) -> None:
        body = b"x" * (number % 7 * 1_000)
        length = f"Content-Length: {len(body)}"
        head = f"POST / HTTP/1.1\r\nHost: a\r\nX-Id: {number}\r\n{length}\r\n\r\n".encode()
        try:
            (response,) = await client.exchange(head + body, "POST")
            statuses[response.aborted or response.status] += 1
        except (AssertionError, OSError, asyncio.IncompleteReadError):
            statuses["lost"] += 1

    async def ask(gateway: Gateway, numbers: range) -> None:
        for number in numbers:
            async with Client(gateway) as client:
                await post(client, number)

    origins = [ResetsSomewhere(seed, arrived) for seed in range(3)]
    async with origins[0], origins[1], origins[2]:
        async with Gateway(configuration(*origins, "127.0.0.1:1", route=retry)) as gateway:
            await asyncio.gather(*(ask(gateway, range(first, POSTS, CLIENTS)) for first in range(CLIENTS)))
            retries = (await gateway.metrics()).sum("headgate_retries_total")
    assert statuses.total() == POSTS
    twice = [identity for identity, times in arrived.items() if times > 1]
    assert twice == []
    assert len(arrived) > POSTS / 2
    assert statuses[200] > POSTS / 3
    assert statuses[502] > 0, "some were given up where they might have arrived"
    assert retries > 0, "what nobody accepted was sent to another"
