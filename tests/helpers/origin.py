"""A server behind the gateway that behaves, and records everything it was asked."""

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from tests.helpers.message import Body, Fields, Head, read_chunked, read_exactly, read_head, render

BACKLOG = 4096
"""Connections that may wait until this process gets to accept them: a crowd's."""


@dataclass(slots=True)
class Request:
    """One request as the origin saw it; ``connection`` numbers the connection it came on."""

    head: Head
    connection: int
    body: Body = field(default_factory=Body)
    complete: bool = False

    @property
    def method(self) -> str:
        """The request's method."""
        return self.head.start[0]

    @property
    def target(self) -> str:
        """The request's target as sent."""
        return self.head.start[1]

    @property
    def version(self) -> str:
        """``HTTP/1.1`` in what a gateway sends."""
        return self.head.start[2]

    @property
    def fields(self) -> Fields:
        """The header fields in their order."""
        return self.head.fields


@dataclass(slots=True)
class Reply:
    """What a good origin answers; a length is added unless the status forbids it."""

    status: int = 200
    body: bytes = b""
    fields: list[tuple[str, str]] = field(default_factory=list)
    close: bool = False

    def render(self, method: str) -> bytes:
        """The reply as bytes."""
        fields = list(self.fields)
        bodiless = self.status in {204, 304}
        if not bodiless and not any(name.lower() == "content-length" for name, _ in fields):
            fields.append(("Content-Length", str(len(self.body))))
        if self.close:
            fields.append(("Connection", "close"))
        body = b"" if bodiless or method == "HEAD" else self.body
        return render(f"HTTP/1.1 {self.status} Reason", fields, body)


@dataclass(slots=True, eq=False)
class OriginConnection:
    """One accepted connection; ``closed`` is set when either side has ended it."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, data: bytes) -> None:
        """Writes and waits until the peer keeps up."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection with RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_peer_closes(self) -> None:
        """Reads and drops until the peer ends the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass


def echo(request: Request) -> Reply:
    """Answers with the request's own body, and says what was asked in fields of the answer."""
    return Reply(
        body=request.body.data,
        fields=[
            ("X-Method", request.method),
            ("X-Target", request.target),
            ("X-Connection", str(request.connection)),
        ],
    )


class Origin:
    """A good origin: HTTP/1.1 with keep-alive. Subclasses change ``answer`` or ``serve`` to have a vice.

    ``reply`` makes the answer from the request; ``requests`` holds every request whose head was read, in order.
    """

    def __init__(
        self,
        reply: Reply | bytes | Callable[[Request], Reply] = echo,
        *,
        port: int = 0,
        keep_bodies: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        """``host``: where it listens; an empty one is every address of this machine."""
        self.port = port
        self._host = host
        self.requests: list[Request] = []
        self.connections: list[OriginConnection] = []
        self._reply = Reply(body=reply) if isinstance(reply, bytes) else reply
        self._keep_bodies = keep_bodies
        self._numbers = itertools.count()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """``host:port``, as a configuration names an instance."""
        return f"127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return sum(not connection.closed.is_set() for connection in self.connections)

    async def start(self) -> None:
        """Listens; after ``stop`` on the same port again."""
        self._server = await asyncio.start_server(
            self._accepted,
            self._host,
            self.port,
            family=socket.AF_INET,
            backlog=BACKLOG,
            reuse_address=True,
            limit=1 << 18,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and resets every open connection, as a killed process does."""
        if self._server is None:
            return
        self._server.close()
        for connection in self.connections:
            if not connection.closed.is_set():
                connection.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def serve(self, connection: OriginConnection) -> None:
        """The life of one connection."""
        while (request := await self.read_request(connection)) is not None:
            await self.answer(request, connection)
            if connection.writer.is_closing():
                return

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Answers one request that was read whole."""
        reply = self._reply(request) if callable(self._reply) else self._reply
        await connection.send(reply.render(request.method))
        if reply.close:
            connection.writer.close()

    async def read_request(self, connection: OriginConnection, *, with_body: bool = True) -> Request | None:
        """Reads and records the next request; None when the peer has ended the connection."""
        head = await read_head(connection.reader)
        if head is None:
            return None
        request = Request(head, connection.number)
        self.requests.append(request)
        if with_body:
            await self.read_body(request, connection)
        return request

    async def read_body(self, request: Request, connection: OriginConnection) -> None:
        """Reads the body of a recorded request."""
        if request.head.is_chunked:
            await read_chunked(connection.reader, request.body, keep=self._keep_bodies)
        else:
            await read_exactly(
                connection.reader, request.head.content_length or 0, request.body, keep=self._keep_bodies
            )
        request.complete = True

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = OriginConnection(next(self._numbers), reader, writer)
        self.connections.append(connection)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.serve(connection)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the peer went away, or the test ended
        finally:
            self._tasks.discard(task)
            connection.closed.set()
            writer.close()
