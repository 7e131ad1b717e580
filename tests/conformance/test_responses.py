"""Every row of responses, in process however it is cut, and over sockets; and the next exchange gets its own answer."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio

from tests.conformance import reference
from tests.conformance.engine import Engine, Outcome, in_pieces, splits
from tests.conformance.response_rows import Broken, Relayed, Row, rows
from tests.helpers import Client, Gateway, Origin, configuration, eventually, vices
from tests.helpers.origin import OriginConnection, Request

ROWS = list(rows())


@pytest.fixture(scope="module")
def engine() -> Engine:
    """One engine for all rows."""
    return Engine()


def check(outcome: Outcome, row: Row, *, whole: bool) -> None:
    """The client saw what it should, and whole messages only if they are."""
    method = row.request.split(b" ")[0].decode()
    if isinstance(row.expected, Relayed):
        expected = row.expected
        *interim, answer = reference.responses(outcome.answer, [method], closed=outcome.closed)
        assert tuple(message.status for message in interim) == expected.interim
        assert (answer.status, answer.body) == (expected.status, expected.body)
        assert {name: answer.values(name) for name in expected.fields} == dict(expected.fields)
        assert (outcome.closed, outcome.aborted) == (expected.closes, False)
        if whole and answer.status != 101:
            assert outcome.kept == [expected.kept]
        return
    assert outcome.kept in ([False], [])
    if isinstance(row.expected, Broken) and outcome.aborted:
        if outcome.answer:
            with pytest.raises(reference.IncompleteError):
                reference.responses(outcome.answer, [method])
        return
    *interim, answer = reference.responses(outcome.answer, [method])
    assert answer.status == 502
    assert all(message.status < 200 for message in interim)
    assert not outcome.closed


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.behaviour} {row.name}" for row in ROWS])
def test_rows_in_process(engine: Engine, row: Row) -> None:
    """The same however the answer is cut; where the client's connection lives on, its next request gets its own answer."""
    for number, pieces in enumerate(splits(row.raw)):
        check(
            engine.relay(row.request, [piece for piece in pieces if piece], row.end), row, whole=number == 0
        )


def test_a_broken_answer_is_never_whole(engine: Engine) -> None:
    """An answer that ends at any of its bytes, with a FIN or a reset, reaches nobody as a whole one."""
    for raw in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ):
        for at in range(len(raw)):
            for end in ("fin", "reset"):
                row = Row("U01", f"{at}", raw[:at], Broken(), end=end)
                check(engine.relay(row.request, [raw[:at]] if at else [], end), row, whole=False)


class Hostile(Origin):
    """Answers one request as a row has it, in these pieces, and all others as a good instance does."""

    row: Row | None = None
    pieces: Iterable[bytes] = ()

    async def read_body(self, request: Request, connection: OriginConnection) -> None:
        """A row may be an answer to a part of its request."""
        if self.row is None:
            await super().read_body(request, connection)

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """The row, once."""
        row, self.row = self.row, None
        if row is None:
            await super().answer(request, connection)
            return
        for piece in self.pieces:
            await connection.send(piece)
            await asyncio.sleep(0)
        if row.end == "reset":
            connection.reset()
        elif row.end == "fin":
            connection.writer.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def hostile() -> AsyncIterator[Hostile]:
    """The instance."""
    async with Hostile() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(hostile: Hostile) -> AsyncIterator[Gateway]:
    """One gateway for all rows: each leaves the next one a worker with nothing of it."""
    async with Gateway(configuration(hostile)) as running:
        yield running


async def ask(client: Client, target: str) -> int:
    """An exchange that gets its own answer; the number of the instance's connection."""
    (response,) = await client.exchange(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert (response.status, response.fields.one("x-target"), response.aborted) == (200, target, None)
    return int(response.fields.one("x-connection") or -1)


async def seen(client: Client, row: Row) -> Outcome:
    """What the client gets of the row, up to the end of the answer or of the connection."""
    outcome, method = Outcome(), row.request.split(b" ")[0].decode()
    closes = isinstance(row.expected, Relayed) and row.expected.closes
    while not outcome.closed:
        try:
            data = await asyncio.wait_for(client.reader.read(1 << 16), 20)
        except ConnectionError:
            data, outcome.aborted = b"", True
        outcome.closed = not data
        outcome.answer += data
        try:
            *_, last = reference.responses(outcome.answer, [method])
        except (reference.IncompleteError, ValueError):
            continue
        if not closes and (last.status >= 200 or last.status == 101):
            break
    return outcome


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
async def test_rows_over_sockets(gateway: Gateway, hostile: Hostile, bytewise: bool) -> None:
    """On a pooled connection of the real command; the exchange before it and the two behind it get their own answers, and the
    instance's connection is used again where it stands at the end of a message, and only there.
    """
    for number, row in enumerate(row for row in ROWS if not bytewise or len(row.raw) < 1000):
        async with Client(gateway) as client:
            pooled = await ask(client, f"/before/{number}")
            hostile.pieces = in_pieces(row.raw) if bytewise else [row.raw] if row.raw else []
            hostile.row = row
            await client.send(row.request)
            outcome = await seen(client, row)
            check(outcome, row, whole=False)
            assert hostile.requests[-1].connection == pooled, row
            kept = isinstance(row.expected, Relayed) and row.expected.kept and row.expected.status != 101
            if not kept:
                client.writer.close()  # of a tunnel
                await eventually(hostile.connections[pooled].closed.is_set, why=f"{row} loses its connection")
            elif not outcome.closed:
                assert await ask(client, f"/same/{number}") == pooled, row
        async with Client(gateway) as other:
            assert (await ask(other, f"/other/{number}") == pooled) == kept, row
    assert await gateway.in_flight() == 0


async def test_an_endless_head() -> None:
    """U08: a head without end is 502 and costs the instance its connection."""
    async with vices.SendsEndlessHead() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert response.status == 502
        await eventually(lambda: origin.open_connections == 0)
