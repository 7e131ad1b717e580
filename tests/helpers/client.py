"""A client that sends exactly the bytes it is told, and reads answers without mercy for their framing."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from tests.helpers.message import Body, Fields, Head, read_chunked, read_exactly, read_head

TIMEOUT_SECONDS = 20.0


class HasPort(Protocol):
    """A gateway or an origin."""

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""


@dataclass(slots=True)
class Response:
    """One answer; ``aborted`` says how it broke off, ``interim`` holds the 1xx responses before it."""

    head: Head
    body: Body = field(default_factory=Body)
    interim: list[Head] = field(default_factory=list)
    aborted: str | None = None

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.start[1])

    @property
    def version(self) -> str:
        """``HTTP/1.1``."""
        return self.head.start[0]

    @property
    def fields(self) -> Fields:
        """The header fields in their order."""
        return self.head.fields


class Client:
    """One TCP connection to 127.0.0.1, perhaps from another address. A context manager; leaving it closes the connection."""

    def __init__(
        self,
        server: HasPort,
        *,
        source: str = "127.0.0.1",
        receive_buffer: int | None = None,
        limit: int = 1 << 18,
    ) -> None:
        self._port = server.port
        self._source = source
        self._receive_buffer = receive_buffer
        self._limit = limit
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        raw = socket.socket()
        raw.setblocking(False)
        if self._receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        try:
            raw.bind((self._source, 0))
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self._port))
        except BaseException:
            raw.close()
            raise
        self.reader, self.writer = await asyncio.open_connection(sock=raw, limit=self._limit)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, data: bytes) -> None:
        """Writes and waits until the peer keeps up."""
        self.writer.write(data)
        await self.writer.drain()

    async def send_split(self, data: bytes, size: int = 1) -> None:
        """Writes in pieces, each in a segment of its own as far as the peer reads at once."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), size):
            await self.send(data[start : start + size])
            await asyncio.sleep(0)

    def finish(self) -> None:
        """Half-closes: no more bytes from us."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Ends the connection with RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """Closes both directions."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def response(self, to: str = "GET", *, keep: bool = True) -> Response:
        """The next answer; ``to`` is the request's method. An answer that breaks off comes back with ``aborted``."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            interim: list[Head] = []
            while True:
                head = await read_head(self.reader)
                assert head is not None, "the connection ended without an answer"
                if not 100 <= int(head.start[1]) < 200 or head.start[1] == "101":
                    break
                interim.append(head)
            response = Response(head, interim=interim)
            try:
                await self._read_body(response, to, keep=keep)
            except asyncio.IncompleteReadError as error:
                response.aborted = "eof"
                response.body.data = response.body.data or error.partial
            except ConnectionError:
                response.aborted = "reset"
            return response

    async def outcome(self) -> int | None:
        """The status of the next answer; None if the connection broke."""
        try:
            return (await self.response()).status
        except (AssertionError, ConnectionError, asyncio.IncompleteReadError):
            return None

    async def exchange(self, raw: bytes, to: str | Sequence[str] = "GET") -> list[Response]:
        """Sends the bytes at once and reads one answer for every method in ``to``."""
        await self.send(raw)
        methods = [to] if isinstance(to, str) else to
        return [await self.response(method) for method in methods]

    async def at_end(self) -> bytes:
        """Whatever still comes until the peer ends the connection; a reset counts as the end."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            data = b""
            with contextlib.suppress(ConnectionError):
                while part := await self.reader.read(1 << 16):
                    data += part
            return data

    async def _read_body(self, response: Response, to: str, *, keep: bool) -> None:
        head, body = response.head, response.body
        if to == "HEAD" or response.status in {204, 304}:
            return
        if head.is_chunked:
            await read_chunked(self.reader, body, keep=keep)
        elif head.content_length is not None:
            await read_exactly(self.reader, head.content_length, body, keep=keep)
        else:
            while data := await self.reader.read(1 << 16):
                body.length += len(data)
                body.data += data if keep else b""
