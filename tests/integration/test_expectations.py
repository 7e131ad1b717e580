"""``Expect: 100-continue`` is the instance's to answer, and an answer before the body is complete ends the exchange."""

import asyncio

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.origin import OriginConnection, Request
from tests.helpers.proof import PROOF
from tests.helpers.vices import AnswersEarly, Sends100Continue, SlamsTheDoor

BODY = bytes(1 << 20)
DOORS = 1_000 if PROOF else 50
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def put(version: str = "1.1", length: int = 4, expect: str = "100-continue") -> bytes:
    """The head of a request that waits with its body."""
    return f"PUT / HTTP/{version}\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: {length}\r\n\r\n".encode()


async def test_the_client_waits_for_the_100_of_the_instance() -> None:
    """The gateway says nothing by itself: the 100 comes when the instance sends it, once, and the connection goes on."""
    async with (
        Sends100Continue() as origin,
        Gateway(configuration(origin)) as gateway,
        Client(gateway) as client,
    ):
        for _ in range(2):
            await client.send(put())
            assert await client.reader.readexactly(len(CONTINUE)) == CONTINUE
            assert origin.requests[-1].fields.all("expect") == ["100-continue"]
            (answer,) = await client.exchange(b"body", "PUT")
            assert (answer.status, answer.body.data, answer.interim) == (200, b"body", [])
        assert len(origin.connections) == 1


async def test_a_client_that_does_not_wait_gets_the_100_all_the_same() -> None:
    """The body comes with the head; the interim response precedes the final one."""
    async with (
        Sends100Continue() as origin,
        Gateway(configuration(origin)) as gateway,
        Client(gateway) as client,
    ):
        (answer,) = await client.exchange(put() + b"body", "PUT")
        assert ([head.start[1] for head in answer.interim], answer.body.data) == (["100"], b"body")


async def test_no_100_reaches_a_client_of_http_10() -> None:
    """Its expectation is ignored (RFC 9110 §10.1.1): neither the instance hears of it nor the client of a 100."""

    class SendsItUnasked(Origin):
        """A 100 before every answer."""

        async def answer(self, request: Request, connection: OriginConnection) -> None:
            """100, then the answer."""
            await connection.send(CONTINUE)
            await super().answer(request, connection)

    async with (
        SendsItUnasked() as origin,
        Gateway(configuration(origin)) as gateway,
        Client(gateway) as client,
    ):
        (answer,) = await client.exchange(put("1.0") + b"body", "PUT")
        assert (answer.status, answer.interim, answer.body.data) == (200, [], b"body")
        assert origin.requests[0].fields.all("expect") == []


@pytest.mark.parametrize("closes", [False, True])
async def test_a_final_answer_instead_of_the_100_ends_the_exchange(closes: bool) -> None:
    """The client gets it at once and need not send its body; both connections end, and nothing is left in flight."""
    async with AnswersEarly(401, close=closes) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            (answer,) = await client.exchange(put(), "PUT")
            assert (answer.status, answer.interim, answer.body.data) == (401, [], b"early")
            assert answer.fields.one("connection") == "close"
            assert await client.at_end() == b""
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)
        assert (await gateway.metrics()).sum("headgate_requests_total", code="401") == 1


async def test_a_final_answer_while_the_body_comes_ends_the_exchange() -> None:
    """A client that goes on sending still reads the answer; what it sends is taken by nobody."""
    async with AnswersEarly(413, close=True) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            sending = asyncio.ensure_future(
                client.send(put(length=1 << 26, expect="100-continue") + b"x" * (1 << 20))
            )
            answer = await client.response("PUT")
            assert (answer.status, answer.body.data) == (413, b"early")
            sending.cancel()
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)


@pytest.mark.parametrize("reset", [False, True])
async def test_an_answer_is_heard_whose_instance_hangs_up_on_the_body(reset: bool) -> None:
    """Whether the gateway notices the answer first or that the rest can no longer be sent, the client is told why."""
    request = put(length=len(BODY)).replace(b"PUT", b"POST") + BODY
    async with SlamsTheDoor(reset=reset) as origin, Gateway(configuration(origin)) as gateway:
        for _ in range(DOORS):
            async with Client(gateway) as client:
                sending = asyncio.ensure_future(client.send(request))
                answer = await client.response("POST")
                assert (answer.status, answer.body.data) == (413, b"early")
                sending.cancel()
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)
        assert len(origin.requests) == DOORS, "a POST is not sent twice"


async def test_other_expectations_are_refused() -> None:
    """417, and no instance hears of them."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        for expectation in ("200-ok", "100-continue, x", ""):
            async with Client(gateway) as client:
                (answer,) = await client.exchange(put(expect=expectation), "PUT")
                assert answer.status == 417
        assert origin.requests == []
