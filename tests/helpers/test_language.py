"""The language of the tests tells the truth: origins have the vice in their name, the client sees it."""

import asyncio
import os
import socket
from functools import partial

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually, vices
from tests.helpers.exposition import Metrics
from tests.helpers.instance import Instance
from tests.helpers.ledger import SLOW_SECONDS, Callers, Ledger
from tests.helpers.message import chunked
from tests.helpers.processes import stopped
from tests.helpers.tcp_sockets import holders_of, sockets_of, tcp_counters
from tests.helpers.witness import Witness

GET = b"GET /thing HTTP/1.1\r\nHost: origin\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\n"


async def test_good_origin_records_and_echoes() -> None:
    """A good origin records head, fields in order, body and connection, and keeps the connection."""
    post = b"POST /p HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"c")
    async with Origin() as origin, Client(origin) as client:
        first, second = await client.exchange(GET + post, ("GET", "POST"))
        assert (first.status, second.body.data) == (200, b"abc")
        assert [(request.method, request.connection) for request in origin.requests] == [
            ("GET", 0),
            ("POST", 0),
        ]
        assert origin.requests[0].fields.all("X-TWICE") == ["1", "2"]
        assert origin.requests[1].body.chunks == [2, 1]


async def test_stopped_origin_resets_and_starts_again_on_its_port() -> None:
    """Stopping resets what is open; starting again serves on the same port."""
    async with vices.Gated() as origin:
        async with Client(origin) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            await origin.stop()
            assert await client.at_end() == b""
        await origin.start()
        origin.gate.set()
        async with Client(origin) as client:
            assert (await client.exchange(GET))[0].status == 200


@pytest.mark.parametrize(
    ("origin", "aborted", "body"),
    [
        (vices.ResetsMidBody(), "reset", b"0123456789"),
        (vices.ClosesMidBody(), "eof", b"0123456789"),
        (vices.ClosesMidChunk(), "eof", b"01234"),
        (vices.CloseDelimited(b"all"), None, b"all"),
        (vices.SpeaksHttp10(b"old"), None, b"old"),
        (vices.ChunkedBody(b"a", b"b"), None, b"ab"),
        (vices.DripsBody(b"abc", interval=0.001), None, b"abc"),
        (vices.LiesAboutLength(says=3, sends=5), None, b"xxx"),
        (vices.StreamsBody(1000, in_chunks=True), None, (bytes(range(256)) * 4)[:1000]),
        (vices.AnswersEarly(200), None, b"early"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Origin) else "",
)
async def test_client_sees_the_vice(origin: Origin, aborted: str | None, body: bytes) -> None:
    """Every scripted vice reaches a client as what its name says."""
    async with origin, Client(origin) as client:
        (response,) = await client.exchange(GET)
        assert response.aborted == aborted
        assert response.body.data == body or aborted == "reset"  # a reset may overtake what was not yet read


async def test_stalling_origins_wait_for_the_peer() -> None:
    """An origin that stalls keeps the connection until its peer closes it, and notices that."""
    for stalling in (vices.StallsBeforeHead(), vices.StallsAfterHead()):
        async with stalling as origin:
            async with Client(origin) as client:
                await client.send(GET)
                await eventually(lambda origin=origin: origin.requests)
                assert origin.open_connections == 1
            await eventually(lambda origin=origin: origin.open_connections == 0)


async def test_origins_that_close_after_one_answer() -> None:
    """ClosesOnReuse waits for a second request before it closes, ClosesIdle does not."""
    async with vices.ClosesOnReuse() as origin, Client(origin) as client:
        assert (await client.exchange(GET))[0].status == 200
        assert origin.open_connections == 1
        await client.send(GET)
        assert await client.at_end() == b""
        assert len(origin.requests) == 1
    async with vices.ClosesIdle() as origin, Client(origin) as client:
        assert (await client.exchange(GET))[0].status == 200
        assert await client.at_end() == b""


async def test_endless_head_never_ends() -> None:
    """SendsEndlessHead sends until the peer leaves."""
    async with vices.SendsEndlessHead() as origin:
        async with Client(origin) as client:
            await client.send(GET)
            await eventually(lambda: origin.sent > 10_000)
        await eventually(lambda: origin.open_connections == 0)


async def test_interim_responses() -> None:
    """1xx responses are told apart from the answer; 100 comes only when asked for."""
    ask = b"POST / HTTP/1.1\r\nHost: o\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with vices.Sends100Continue() as origin, Client(origin) as client:
        await client.send(ask)
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.exchange(b"ok"))[0].body.data == b"ok"
    async with vices.SendsInterim() as origin, Client(origin) as client:
        (response,) = await client.exchange(GET)
        assert [head.start[1] for head in response.interim] == ["103"]


async def test_addresses_that_do_not_answer() -> None:
    """RefusesConnect refuses, NeverAccepts lets a connect hang."""
    async with vices.RefusesConnect() as nobody:
        host, port = nobody.address.split(":")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))
    async with vices.NeverAccepts() as nobody:
        host, port = nobody.address.split(":")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection(host, int(port)), 0.2)


async def test_eventually_fails_with_the_last_value() -> None:
    """A condition that stays false fails the test and shows what it was last."""
    with pytest.raises(AssertionError, match="last: 0"):
        await eventually(lambda: 0, within=0.02, why="never")


async def test_eventually_names_what_it_waited_for() -> None:
    """Its source, or itself where it has none."""
    for condition in (lambda: None, partial(dict, ())):
        with pytest.raises(AssertionError, match=r"not within 0.02 s: .*(lambda|partial)"):
            await eventually(condition, within=0.02)


def test_sockets_tell_who_holds_them_and_what_waits() -> None:
    """A connection that nobody has accepted stands in the queue of its listener, and what its client has sent is unread."""
    before = tcp_counters()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"four")
            holders = holders_of({"us": os.getpid()})
            told = {(one.local, one.state): one for one in sockets_of({port})}
            queued, ours = told[port, "ESTABLISHED"], told[client.getsockname()[1], "ESTABLISHED"]
            assert told[port, "LISTEN"].describe(holders) == f"{port} LISTEN, 1 wait to be accepted"
            assert (queued.unread, queued.inode, queued.remote) == (4, 0, ours.local)
            assert "held by nobody" in queued.describe(holders)
            assert "held by us" in ours.describe(holders)
    assert (tcp_counters() - before)["TcpPassiveOpens"] >= 1


async def test_the_witness_tells_where_a_request_waited() -> None:
    """Of an exchange that was slow it tells which process has it unread, and of a fast one nothing."""
    async with Instance() as instance, Gateway(configuration(instance)) as gateway:
        ledger = Ledger()
        witness = Witness(ledger, gateway, instance)
        callers = Callers(gateway, ledger, new_connections=True)
        async with witness.watching(), callers.calling(1):
            await eventually(lambda: ledger.answers[200] > 10)
            assert witness.account() == "no exchange was slow"
            with stopped(instance.pid):
                await eventually(lambda: witness._sights, within=20 * SLOW_SECONDS)
        (slow,) = ledger.slow
        account = witness.account()
        assert f"connection from port {slow.port} there after" in account
        assert f"{instance.port} → " in account
        (unread,) = [
            line
            for line in account.splitlines()
            if f" {instance.port} → " in line and " 0 unread" not in line
        ]
        assert "held by the instance" in unread


def test_metrics_are_summed_over_labels() -> None:
    """A sum takes the samples that carry all the given labels."""
    metrics = Metrics.parse('# HELP a b\na{x="1",y="q\\"r"} 2\na{x="1",y="s"} 3\na{x="2"} 4\nb 5\n')
    assert (metrics.sum("a", x=1), metrics.sum("a"), metrics.sum("b"), metrics.sum("c")) == (5, 9, 5, 0)
