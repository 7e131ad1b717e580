"""Answers go out compressed, and every client that asked for that gets what the instance sent."""

import asyncio
import gzip
import io
import random
import urllib.request
import zlib

import aiohttp
import pytest
import zstandard

from tests.helpers import Client, Gateway, Origin, Reply, configuration, eventually, settled, vices
from tests.helpers.curl import curl
from tests.helpers.message import chunked
from tests.helpers.origin import OriginConnection, Request
from tests.helpers.processes import private_bytes

WORDS = [
    "the",
    "gate",
    "at",
    "the",
    "head",
    "of",
    "a",
    "canal",
    "decides",
    "how",
    "much",
    "water",
    "comes",
    "in",
    "and",
    "into",
    "which",
    "channel",
]
TEXT = " ".join(random.Random(9).choices(WORDS, k=50_000)).encode()
TYPE = ("Content-Type", "text/plain")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
ANSWERS = {
    "length": HEAD + b"Content-Length: %d\r\n\r\n" % len(TEXT) + TEXT,
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TEXT[:70_000], TEXT[70_000:]),
    "close": HEAD + b"\r\n" + TEXT,
}
MEGABYTE = 1 << 20


def get(coding: str, fields: str = "") -> bytes:
    """A request that accepts a coding."""
    return f"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n{fields}\r\n".encode()


def ask_urllib(url: str) -> tuple[str | None, bytes]:
    """The standard library neither asks for a coding nor decodes one by itself."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["Content-Encoding"], gzip.GzipFile(fileobj=io.BytesIO(answer.read())).read()


@pytest.mark.parametrize("framing", ANSWERS)
async def test_every_client_decodes_what_it_asked_for(framing: str) -> None:
    """curl, aiohttp, the standard library and zstandard, and whatever the framing of the instance."""
    origin = vices.Scripted(ANSWERS[framing], then="close" if framing == "close" else "keep")
    async with origin, Gateway(configuration(origin, route="compress = true")) as gateway:
        url = f"http://127.0.0.1:{gateway.port}/"
        for arguments, coding in (
            (("--compressed",), "gzip"),
            (("--compressed", "-H", "Accept-Encoding: zstd"), "zstd"),
            (("--compressed", "-H", "Accept-Encoding: zstd;q=0, gzip"), "gzip"),
        ):
            result = await curl(*arguments, url)
            assert result.fields.one("content-encoding") in {coding, "zstd"}
            assert (result.exit, result.body) == (0, TEXT)
        async with aiohttp.ClientSession() as session:
            headers = {"Accept-Encoding": "gzip"}
            async with session.get(url, headers=headers) as response:
                assert (response.headers["Content-Encoding"], await response.read()) == ("gzip", TEXT)
        assert await asyncio.to_thread(ask_urllib, url) == ("gzip", TEXT)
        async with Client(gateway) as client:
            (answer,) = await client.exchange(get("zstd"))
        assert zstandard.ZstdDecompressor().decompressobj().decompress(answer.body.data) == TEXT
        assert sum(answer.body.chunks) < len(TEXT) / 3
        metrics = await gateway.metrics()
    total = {
        name: metrics.sum(f"headgate_{name}_total")
        for name in ("responses_compressed", "compression_input_bytes", "compressions_skipped")
    }
    assert total == {
        "responses_compressed": 6,
        "compression_input_bytes": 6 * len(TEXT),
        "compressions_skipped": 0,
    }
    out = metrics.sum("headgate_compression_output_bytes_total")
    assert 0 < out < len(TEXT) * 6 / 3


async def test_what_may_be_secret_and_what_is_not_worth_it_stays_as_it_is() -> None:
    """By default, and with the same tag; a route may say otherwise."""
    reply = Reply(body=TEXT[:2_000], fields=[TYPE, ("ETag", '"one"')])
    routes = ('path = "/all"\nservice = "api"\ncompress = { with_credentials = true }',)
    async with Origin(reply) as origin:
        text = configuration(origin, route="compress = true", routes=routes)
        async with Gateway(text) as gateway, Client(gateway) as client:
            for request, coding in (
                (get("gzip"), "gzip"),
                (get("gzip", "Cookie: a=b\r\n"), None),
                (get("gzip", "Authorization: Basic eA==\r\n"), None),
                (get("gzip", "Cookie: a=b\r\n").replace(b" / ", b" /all "), "gzip"),
                (get("br"), None),
            ):
                (response,) = await client.exchange(request)
                assert response.fields.one("content-encoding") == coding
                assert response.fields.one("vary") == "Accept-Encoding"
                assert response.fields.one("etag") == ('W/"one"' if coding else '"one"')
                assert response.fields.one("content-length") == (None if coding else "2000")
                data = gzip.decompress(response.body.data) if coding else response.body.data
                assert data == TEXT[:2_000]


async def test_what_is_short_varies_for_who_refuses_it_as_it_is() -> None:
    """One client gets it compressed and all others as it came, and a cache in between is told so."""
    reply = Reply(body=TEXT[:100], fields=[TYPE])
    async with Origin(reply) as origin, Gateway(configuration(origin, route="compress = true")) as gateway:
        async with Client(gateway) as client:
            for accepted, coding in (("gzip", None), ("gzip, identity;q=0", "gzip"), ("br", None)):
                (response,) = await client.exchange(get(accepted))
                assert response.fields.one("content-encoding") == coding
                assert response.fields.one("vary") == "Accept-Encoding"
                data = gzip.decompress(response.body.data) if coding else response.body.data
                assert data == TEXT[:100]


async def test_head_says_what_get_does() -> None:
    """All fields but those of the framing, and the connection goes on."""
    async with Origin(Reply(body=TEXT, fields=[TYPE, ("Date", "d")])) as origin:
        async with (
            Gateway(configuration(origin, route="compress = true")) as gateway,
            Client(gateway) as client,
        ):
            both = await client.exchange(get("zstd") + get("zstd").replace(b"GET", b"HEAD"), ["GET", "HEAD"])
    of_get, of_head = (
        [field for field in response.fields if field[0] not in {"Transfer-Encoding", "X-Method"}]
        for response in both
    )
    assert of_get == of_head
    assert dict(of_head)["Content-Encoding"] == "zstd"


class Speaks(Origin):
    """Sends what a test hands to it, as a chunk, and then waits for more."""

    def __init__(self) -> None:
        super().__init__()
        self.words: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """An event stream, up to an empty word."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        await connection.send(head)
        while word := await self.words.get():
            await connection.send(b"%x\r\n%b\r\n" % (len(word), word))
        await connection.send(b"0\r\n\r\n")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_events_arrive_as_they_come(coding: str) -> None:
    """Each before the instance says more."""
    async with Speaks() as origin:
        text = configuration(origin, route='compress = { types = ["text/event-stream"] }')
        async with Gateway(text) as gateway, aiohttp.ClientSession(auto_decompress=False) as session:
            url = f"http://127.0.0.1:{gateway.port}/"
            async with session.get(url, headers={"Accept-Encoding": coding}) as response:
                assert response.headers["Content-Encoding"] == coding
                gunzip = zlib.decompressobj(wbits=31)
                unzstd = zstandard.ZstdDecompressor().decompressobj()
                for number in range(20):
                    event = f"data: {number}\n\n".encode()
                    origin.words.put_nowait(event)
                    got = b""
                    async with asyncio.timeout(20):
                        while len(got) < len(event):
                            part = await response.content.readany()
                            got += gunzip.decompress(part) if coding == "gzip" else unzstd.decompress(part)
                    assert got == event
                origin.words.put_nowait(b"")
                assert await response.content.read()


@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_what_is_cut_off_is_not_whole(framing: str, coding: str, then: str) -> None:
    """An instance that breaks off leaves its client with neither the last chunk nor the end of the coding."""
    cut = ANSWERS[framing][:100_000]
    async with vices.Scripted(cut, then=then) as origin:
        async with (
            Gateway(configuration(origin, route="compress = true")) as gateway,
            Client(gateway) as client,
        ):
            await client.send(get(coding))
            response = await client.response()
            assert response.aborted
            received = response.body.data
            if coding == "gzip":
                decoder = zlib.decompressobj(wbits=31)
                assert TEXT.startswith(decoder.decompress(received))
                assert not decoder.eof
            else:
                decompressor = zstandard.ZstdDecompressor().decompressobj()
                assert TEXT.startswith(decompressor.decompress(received))
                assert not decompressor.eof
            metrics = await gateway.metrics()
    assert metrics.sum("headgate_instance_in_flight") == 0


async def test_a_slow_client_holds_back_the_instance() -> None:
    """A client that reads nothing of a compressed answer costs its encoder and a bounded backlog, not the answer."""
    size, growth = 60 * MEGABYTE, 8 * MEGABYTE
    block = random.Random(1).randbytes(1 << 16)  # not to be compressed: it would all fit into the sockets
    async with vices.StreamsBody(size, block=block, media_type="text/plain") as origin:
        async with Gateway(configuration(origin, route="compress = true")) as gateway:
            worker = gateway.workers[0]
            before = private_bytes(worker)
            for coding in ("gzip", "zstd"):
                origin.sent = 0
                async with Client(gateway, receive_buffer=65536) as client:
                    await client.send(get(coding))
                    await eventually(lambda: origin.sent > MEGABYTE)
                    assert await settled(lambda: origin.sent) < size / 2
                    assert private_bytes(worker) - before < growth


async def test_a_body_that_is_compressed_to_nothing_is_streamed_too() -> None:
    """Sixty megabytes of the same in a few kilobytes: nothing of it is held, and all is counted."""
    size = 60 * MEGABYTE
    async with vices.StreamsBody(
        size, in_chunks=True, block=bytes(1 << 16), media_type="text/plain"
    ) as origin:
        async with (
            Gateway(configuration(origin, route="compress = true")) as gateway,
            Client(gateway) as client,
        ):
            worker = gateway.workers[0]
            before = private_bytes(worker)
            await client.send(get("gzip"))
            response = await client.response()
            assert private_bytes(worker) - before < 8 * MEGABYTE
            metrics = await gateway.metrics()
    assert zlib.decompress(response.body.data, wbits=31) == bytes(size)
    assert metrics.sum("headgate_compression_input_bytes_total") == size
    assert metrics.sum("headgate_compression_output_bytes_total") == response.body.length
