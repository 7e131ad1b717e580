"""Proof: an answer that its instance did not finish is never taken for a whole one."""

import asyncio
import random
from collections import Counter

import pytest

from tests.helpers import Client, Gateway, Origin, Request, configuration
from tests.helpers.message import chunked, render
from tests.helpers.origin import OriginConnection
from tests.helpers.proof import PROOF

ANSWERS = 1_000 if PROOF else 100
CLIENTS = 8
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class DiesWithin(Origin):
    """Ends its connection at a random byte of each answer, which has a length or comes in chunks."""

    def __init__(self, seed: int, how: str) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._how = how
        self.sent: list[tuple[int, int]] = []
        """Bytes that were sent of each answer, and bytes of its head."""

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A part of an answer, in two pieces, and a FIN or an RST."""
        body = self._random.randbytes(self._random.choice((1, 100, 5_000, 200_000)))
        whole = render("HTTP/1.1 200 OK", [("Content-Length", str(len(body)))], body)
        if self._random.random() < 0.5:
            half = self._random.randrange(1, len(body) + 1)
            coded = chunked(*filter(None, (body[:half], body[half:])), trailers=[("X-Sum", "1")])
            whole = render("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")], coded)
        # The last bytes are as likely as all others together: there a framing would be forgiving.
        length = self._random.choice(
            (self._random.randrange(len(whole)), len(whole) - self._random.randint(1, 9))
        )
        part = self._random.randint(0, length)
        self.sent.append((length, whole.index(b"\r\n\r\n") + 4))
        await connection.send(whole[:part])
        await asyncio.sleep(0)
        await connection.send(whole[part:length])
        if self._how == "reset":
            connection.reset()
        else:
            connection.writer.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_no_client_sees_a_complete_message(how: str) -> None:
    """The client's connection breaks off within the answer, or 502 tells that there was none."""
    seen: Counter[str] = Counter()

    async def ask(gateway: Gateway, count: int) -> None:
        for _ in range(count):
            async with Client(gateway) as client:
                try:
                    (response,) = await client.exchange(GET)
                except (OSError, asyncio.IncompleteReadError):
                    seen["aborted"] += 1  # within the head
                    continue
                assert response.aborted or response.status == 502, (response.head, response.body.length)
                seen["aborted" if response.aborted else "502"] += 1

    async with DiesWithin(len(how), how) as origin:
        async with Gateway(configuration(origin, route="retry = { attempts = 0 }")) as gateway:
            await asyncio.gather(*(ask(gateway, -(-ANSWERS // CLIENTS)) for _ in range(CLIENTS)))
        assert seen.total() == len(origin.sent) >= ANSWERS
        within_bodies = sum(length >= head for length, head in origin.sent)
        assert within_bodies > ANSWERS / 2
        # An answer whose head was read by the gateway is broken off, unless an RST overtook it.
        assert seen["502"] >= len(origin.sent) - within_bodies
        assert seen["aborted"] > 0
        assert how == "reset" or seen["aborted"] == within_bodies
