"""Bodies of any size stream through in bounded memory: who reads slowly slows down who sends."""

import asyncio

import aiohttp

from tests.helpers import Client, Gateway, configuration, eventually, settled, vices
from tests.helpers.processes import private_bytes

MEGABYTE = 1 << 20
SIZE = 100 * MEGABYTE
GROWTH = 8 * MEGABYTE  # what a worker may hold for one connection, with the allocator's slack
KERNEL = 40 * MEGABYTE  # what four socket buffers of the loopback may hold


async def test_a_slow_reader_holds_back_the_instance() -> None:
    """While the client does not read, the instance stops sending and the worker holds little; then all arrives."""
    async with vices.StreamsBody(SIZE) as origin, Gateway(configuration(origin)) as gateway:
        worker = gateway.workers[0]
        before = private_bytes(worker)
        async with Client(gateway, receive_buffer=65536) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await eventually(lambda: origin.sent > 0)
            assert await settled(lambda: origin.sent) < KERNEL
            assert private_bytes(worker) - before < GROWTH
            response = await client.response(keep=False)
        assert (response.body.length, response.aborted) == (SIZE, None)
        assert private_bytes(worker) - before < GROWTH


async def test_a_large_chunked_answer() -> None:
    """A hundred megabytes in chunks arrive whole and leave nothing in the worker."""
    async with vices.StreamsBody(SIZE, in_chunks=True) as origin, Gateway(configuration(origin)) as gateway:
        before = private_bytes(gateway.workers[0])
        async with Client(gateway) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            response = await client.response(keep=False)
        assert response.body.length == SIZE
        assert private_bytes(gateway.workers[0]) - before < GROWTH


async def test_a_slow_instance_holds_back_the_client() -> None:
    """While the instance does not read, the client cannot send on and the worker holds little; then all arrives."""
    async with vices.ReadsBodyLate() as origin, Gateway(configuration(origin)) as gateway:
        worker = gateway.workers[0]
        before = private_bytes(worker)
        async with Client(gateway) as client:
            sending = asyncio.create_task(
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE + bytes(SIZE))
            )
            await eventually(lambda: origin.requests)
            unsent = client.writer.transport.get_write_buffer_size
            assert await settled(unsent) > SIZE - KERNEL
            assert private_bytes(worker) - before < GROWTH
            origin.gate.set()
            await sending
            assert (await client.response("POST")).status == 200
        assert origin.requests[0].body.length == SIZE


async def test_a_large_chunked_upload_with_aiohttp() -> None:
    """A body of unknown length streams up in chunks."""

    async def parts() -> object:
        for _ in range(SIZE // MEGABYTE):
            yield bytes(MEGABYTE)

    async with vices.ReadsBodyLate() as origin, Gateway(configuration(origin)) as gateway:
        origin.gate.set()
        before = private_bytes(gateway.workers[0])
        async with aiohttp.ClientSession() as session, session.post(gateway.url, data=parts()) as response:
            assert response.status == 200
        assert origin.requests[0].body.length == SIZE
        assert origin.requests[0].head.is_chunked
        assert private_bytes(gateway.workers[0]) - before < GROWTH


async def test_bytes_are_passed_on_as_they_come() -> None:
    """A dripping answer is not collected: its first bytes arrive long before its last."""
    async with vices.DripsBody(b"drip", interval=0.2) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.reader.readuntil(b"\r\n\r\n")
            start = asyncio.get_running_loop().time()
            assert await client.reader.readexactly(1) == b"d"
            assert asyncio.get_running_loop().time() - start < 0.5
            assert await client.reader.readexactly(3) == b"rip"


async def test_an_idle_worker_is_small() -> None:
    """A worker that serves nothing keeps less than 16 MB for itself."""
    async with vices.RefusesConnect() as nobody, Gateway(configuration(nobody)) as gateway:
        assert private_bytes(gateway.workers[0]) < 16 * MEGABYTE
