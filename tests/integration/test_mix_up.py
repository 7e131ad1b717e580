"""Proof: no client ever gets what belongs to another, whatever instances and clients do to the connections between them."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.helpers import Client, Gateway, configuration
from tests.helpers.client import Response
from tests.helpers.proof import PROOF
from tests.helpers.vices import Capricious

REQUESTS = 200_000 if PROOF else 10_000
CLIENTS = 16
MOODS = {"good": 60, "chunked": 20, "early": 6, "surplus": 6, "closes": 4, "cut": 3, "dies": 1, "silent": 0.2}
"""What instances do, and how often."""
LEAVES = 0.02
"""How often a client goes away while its answers are under way."""
CONFIGURATION = {"service": 'timeouts = { first_byte = "200ms" }', "gateway": 'drain_timeout = "5s"'}


@dataclass
class Books:
    """What became of the requests, by what their instance did."""

    begun: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: {mood: Counter() for mood in MOODS})


class Asker:
    """One client after another, each with some requests at a time; every request has a nonce that no other has."""

    def __init__(self, number: int, gateway: Gateway, books: Books) -> None:
        self._random = random.Random(number)
        self._number = number
        self._gateway = gateway
        self._books = books

    async def run(self) -> None:
        """Asks until all askers together have asked enough."""
        while self._books.begun < REQUESTS:
            async with Client(self._gateway) as client:
                while self._books.begun < REQUESTS and await self._ask(client):
                    pass

    async def _ask(self, client: Client) -> bool:
        """Some requests at once and their answers; False when the connection is of no more use."""
        moods = self._random.choices(list(MOODS), list(MOODS.values()), k=self._random.choice((1, 1, 2, 5)))
        asked = []
        for mood in moods:
            self._books.begun += 1
            asked.append(
                (mood, f"{self._number}-{self._books.begun}-" + "x" * self._random.choice((0, 9, 3000)))
            )
        await client.send(b"".join(self._request(*one) for one in asked))
        if self._random.random() < LEAVES:
            client.reset()
            return False
        for mood, nonce in asked:
            try:
                response = await client.response()
            except (AssertionError, OSError, asyncio.IncompleteReadError):
                return False  # the connection had ended with an earlier answer
            self._books.outcomes[mood][self._judge(response, nonce)] += 1
            if response.aborted or response.fields.one("connection") == "close":
                return False
        return True

    def _request(self, mood: str, nonce: str) -> bytes:
        body, fields = f"body of {nonce}", ""
        if self._random.random() < 0.5:
            fields, body = "Transfer-Encoding: chunked\r\n", f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        else:
            fields = f"Content-Length: {len(body)}\r\n"
        return f"PUT /{mood} HTTP/1.1\r\nHost: a\r\nX-Nonce: {nonce}\r\n{fields}\r\n{body}".encode()

    @staticmethod
    def _judge(response: Response, nonce: str) -> str:
        """The answer is its request's own in head and body, whole or in part, or the gateway's."""
        if response.fields.one("proxy-status") is not None:
            assert response.fields.one("x-nonce") is None
            return str(response.status)
        assert response.fields.one("x-nonce") == nonce
        expected = f"body of {nonce}".encode()
        if response.aborted is None:
            assert response.body.data in (expected, b"early")
            return "whole"
        assert expected.startswith(response.body.data)
        return "aborted"


@pytest.mark.timeout(3600)
async def test_everybody_gets_the_own_answer() -> None:
    """A nonce in head and body comes back in head and body, over kept connections that are cut, late, early and poisoned."""
    books = Books()
    async with Capricious() as one, Capricious() as other:
        async with Gateway(configuration(one, other, workers=2, **CONFIGURATION)) as gateway:
            await asyncio.gather(*(Asker(number, gateway, books).run() for number in range(CLIENTS)))
    outcomes = books.outcomes
    for mood in ("good", "chunked", "early", "surplus", "closes"):
        assert outcomes[mood]["whole"] >= 0.8 * outcomes[mood].total() > 0, (mood, outcomes)
    assert outcomes["cut"]["aborted"] > 0
    assert outcomes["cut"]["whole"] == outcomes["dies"]["whole"] == outcomes["silent"]["whole"] == 0
    assert sum(each["whole"] for each in outcomes.values()) > 0.7 * books.begun
    assert max(len(one.connections), len(other.connections)) < books.begun / 4, "connections were reused"
