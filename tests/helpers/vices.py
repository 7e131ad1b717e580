"""Origins that misbehave, each named by its vice."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from typing import Self

from tests.helpers.message import chunked, render
from tests.helpers.origin import Origin, OriginConnection, Request


class StallsBeforeHead(Origin):
    """Reads requests and never answers."""

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Waits until the peer gives up."""
        await connection.until_peer_closes()
        connection.writer.close()


class StallsAfterHead(Origin):
    """Sends a head that promises ten bytes, half of them, and then nothing."""

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Half an answer."""
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await connection.until_peer_closes()
        connection.writer.close()


class ClosesOnReuse(Origin):
    """Promises keep-alive, and closes a connection without an answer when its second request comes."""

    async def serve(self, connection: OriginConnection) -> None:
        """One answer, then a slammed door."""
        request = await self.read_request(connection)
        if request is not None:
            await self.answer(request, connection)
            await connection.reader.read(1)
            connection.writer.close()


class ClosesAtFirst(Origin):
    """Closes the connections of its first requests without an answer; notes when each request came."""

    def __init__(self, times: int) -> None:
        super().__init__(b"at last")
        self.arrivals: list[float] = []
        self._times = times

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A slammed door, or an answer."""
        self.arrivals.append(asyncio.get_running_loop().time())
        if len(self.arrivals) <= self._times:
            connection.writer.close()
        else:
            await super().answer(request, connection)


class ClosesIdle(Origin):
    """Promises keep-alive, and closes the connection right after the first answer."""

    async def serve(self, connection: OriginConnection) -> None:
        """One answer and a FIN."""
        request = await self.read_request(connection)
        if request is not None:
            await self.answer(request, connection)
            connection.writer.close()


class Scripted(Origin):
    """Sends the same bytes to every request, then keeps, closes or resets the connection."""

    def __init__(self, script: bytes, *, then: str = "keep") -> None:
        super().__init__()
        self._script = script
        self._then = then

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Plays the script."""
        await connection.send(self._script)
        if self._then == "reset":
            connection.reset()
        elif self._then == "close":
            connection.writer.close()


class ResetsMidBody(Scripted):
    """Promises a hundred bytes, sends ten and resets."""

    def __init__(self) -> None:
        super().__init__(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", then="reset")


class ClosesMidBody(Scripted):
    """Promises a hundred bytes, sends ten and closes."""

    def __init__(self) -> None:
        super().__init__(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", then="close")


class ClosesMidChunk(Scripted):
    """Closes inside a chunk."""

    def __init__(self) -> None:
        super().__init__(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01234", then="close")


class LiesAboutLength(Scripted):
    """Sends more bytes than its Content-Length says."""

    def __init__(self, *, says: int = 5, sends: int = 50) -> None:
        super().__init__(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (says, b"x" * sends))


class SpeaksGarbage(Scripted):
    """Sends bytes that are no HTTP response."""

    def __init__(self, garbage: bytes = b"\x16\x03\x01 this is not HTTP\r\n\r\n") -> None:
        super().__init__(garbage)


class SpeaksHttp10(Origin):
    """Answers in HTTP/1.0, with or without a length, and closes."""

    def __init__(self, body: bytes = b"old", *, with_length: bool = True) -> None:
        super().__init__()
        self._body = body
        self._with_length = with_length

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """One answer, then the end of the connection."""
        fields = [("Content-Length", str(len(self._body)))] if self._with_length else []
        await connection.send(render("HTTP/1.0 200 OK", fields, self._body))
        connection.writer.close()


class CloseDelimited(Scripted):
    """Answers in HTTP/1.1 without a length: the end of the connection ends the body."""

    def __init__(self, body: bytes = b"until the end", *, then: str = "close") -> None:
        super().__init__(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body, then=then)


class ChunkedBody(Scripted):
    """Answers in chunks, with trailers if wanted."""

    def __init__(self, *chunks: bytes, trailers: Iterable[tuple[str, str]] = ()) -> None:
        coded = chunked(*chunks, trailers=trailers)
        super().__init__(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded)


class Deliberates(Origin):
    """Takes so many ``seconds`` for each answer, however many it is asked for at once."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A late answer."""
        await asyncio.sleep(self._seconds)
        await super().answer(request, connection)


class DripsBody(Origin):
    """Sends its body one byte at a time, ``interval`` seconds apart."""

    def __init__(self, body: bytes = b"drip" * 5, *, interval: float = 0.02) -> None:
        super().__init__()
        self._body = body
        self._interval = interval

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A slow answer."""
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self._body))
        for position in range(len(self._body)):
            await asyncio.sleep(self._interval)
            await connection.send(self._body[position : position + 1])


class SendsEndlessHead(Origin):
    """Sends header fields for ever; ``sent`` counts their bytes."""

    sent = 0

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Goes on until the peer ends the connection."""
        await connection.send(b"HTTP/1.1 200 OK\r\n")
        while not connection.writer.is_closing():
            await connection.send(b"X-More: and more\r\n" * 64)
            self.sent += 18 * 64


class AnswersEarly(Origin):
    """Answers as soon as it has the head, without reading the body; closes if told."""

    def __init__(self, status: int = 413, *, close: bool = False) -> None:
        super().__init__()
        self._status = status
        self._close = close

    async def serve(self, connection: OriginConnection) -> None:
        """Head in, answer out, body later or never."""
        while (request := await self.read_request(connection, with_body=False)) is not None:
            closing = "Connection: close\r\n" if self._close else ""
            head = f"HTTP/1.1 {self._status} Early\r\nContent-Length: 5\r\n{closing}\r\nearly"
            await connection.send(head.encode())
            if self._close:
                connection.writer.write_eof()
                await connection.until_peer_closes()
                return
            await self.read_body(request, connection)


class SlamsTheDoor(Origin):
    """Answers 413 as soon as it has the head, and hangs up on the body: with a close, or with a reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self._reset = reset

    async def serve(self, connection: OriginConnection) -> None:
        """Head in, answer out, door shut."""
        if await self.read_request(connection, with_body=False):
            await connection.send(render("HTTP/1.1 413 Early", [("Content-Length", "5")], b"early"))
            if self._reset:
                connection.reset()
            else:
                connection.writer.close()


class SendsInterim(Origin):
    """Sends interim responses (1xx) before its answer; 100 only when it is asked for."""

    def __init__(self, *interim: bytes) -> None:
        super().__init__()
        self._interim = interim or (b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",)

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Hints first."""
        for interim in self._interim:
            await connection.send(interim)
        await super().answer(request, connection)


class Sends100Continue(Origin):
    """Waits for nothing but the head, says 100 Continue, and then reads the body."""

    async def serve(self, connection: OriginConnection) -> None:
        """100, body, answer."""
        while (request := await self.read_request(connection, with_body=False)) is not None:
            if "100-continue" in request.fields.all("expect"):
                await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self.read_body(request, connection)
            await self.answer(request, connection)


class StreamsBody(Origin):
    """Sends ``size`` bytes as fast as they are taken, a block at a time; ``sent`` counts what was handed to the kernel."""

    def __init__(
        self,
        size: int,
        *,
        in_chunks: bool = False,
        block: bytes = bytes(range(256)) * 256,
        media_type: str = "application/octet-stream",
    ) -> None:
        super().__init__()
        self._size = size
        self._media_type = media_type
        self._block = block
        self._in_chunks = in_chunks
        self.sent = 0

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A large answer."""
        framing = "Transfer-Encoding: chunked" if self._in_chunks else f"Content-Length: {self._size}"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {self._media_type}\r\n{framing}\r\n\r\n"
        await connection.send(head.encode())
        while self.sent < self._size:
            part = self._block[: self._size - self.sent]
            await connection.send(b"%x\r\n%b\r\n" % (len(part), part) if self._in_chunks else part)
            self.sent += len(part)
        if self._in_chunks:
            await connection.send(b"0\r\n\r\n")


class Gated(Origin):
    """Answers only while ``gate`` is set; until then requests wait."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.gate = asyncio.Event()

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Waits for the gate, or for the peer to go away."""
        gone = asyncio.ensure_future(connection.until_peer_closes())
        opened = asyncio.ensure_future(self.gate.wait())
        try:
            await asyncio.wait({gone, opened}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opened.cancel()
            if not gone.done():
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await gone
        if gone.done() and not gone.cancelled():
            connection.writer.close()
        else:
            await super().answer(request, connection)


class RefusesConnect:
    """An address where every connect is refused: bound, so that nobody else gets it, and not listening."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Frees the port."""
        self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class NeverAccepts(RefusesConnect):
    """An address where every connect hangs: it listens with a queue that is already full."""

    def __init__(self) -> None:
        super().__init__()
        self._socket.listen(0)
        self._fillers = [socket.socket() for _ in range(4)]
        for filler in self._fillers:
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self._socket.getsockname())

    def close(self) -> None:
        """Frees the port and the queue."""
        for filler in self._fillers:
            filler.close()
        super().close()


class ReadsBodyLate(Origin):
    """Reads the head of a request and leaves its body in the kernel until ``gate`` is set."""

    def __init__(self) -> None:
        super().__init__(keep_bodies=False)
        self.gate = asyncio.Event()

    async def serve(self, connection: OriginConnection) -> None:
        """Head, patience, body, answer."""
        while (request := await self.read_request(connection, with_body=False)) is not None:
            await self.gate.wait()
            await self.read_body(request, connection)
            await self.answer(request, connection)


class ResetsRequests(Origin):
    """Resets the connection of every request as long as ``broken`` is set."""

    def __init__(self, reply: bytes = b"well", *, port: int = 0) -> None:
        super().__init__(reply, port=port)
        self.broken = True

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A reset, or an answer."""
        if self.broken:
            connection.reset()
        else:
            await super().answer(request, connection)


class Capricious(Origin):
    """Does what the target asks for: ``/good``, ``/chunked``, ``/early`` (answers before it has the body), ``/surplus`` (sends
    an answer that nobody asked for behind its own), ``/closes`` (after the answer, unannounced), ``/cut`` (resets within the
    answer), ``/dies`` (instead of an answer), ``/silent`` (never answers). An answer repeats ``X-Nonce`` and the body.
    """

    async def serve(self, connection: OriginConnection) -> None:
        """Answers, and perhaps more, until the connection is of no more use."""
        while (request := await self.read_request(connection, with_body=False)) is not None:
            mood, nonce = request.target[1:], request.fields.one("x-nonce") or ""
            if mood == "early":
                await connection.send(
                    render("HTTP/1.1 200 OK", [("X-Nonce", nonce), ("Content-Length", "5")], b"early")
                )
                return await connection.until_peer_closes()
            await self.read_body(request, connection)
            if mood == "silent":
                return await connection.until_peer_closes()
            if mood == "dies":
                return connection.reset()
            await connection.send(self._answer(mood, nonce, request.body.data))
            if mood == "cut":
                return connection.reset()
            if mood == "closes":
                return None
        return None

    @staticmethod
    def _answer(mood: str, nonce: str, body: bytes) -> bytes:
        fields = [("X-Nonce", nonce)]
        if mood == "chunked":
            half = len(body) // 2
            fields.append(("Transfer-Encoding", "chunked"))
            return render("HTTP/1.1 200 OK", fields, chunked(body[:half], body[half:]))
        whole = render("HTTP/1.1 200 OK", [*fields, ("Content-Length", str(len(body)))], body)
        if mood == "cut":
            return whole[: -len(body) // 2]
        return whole + render("HTTP/1.1 200 OK", [("X-Nonce", "nobody"), ("Content-Length", "0")]) * (
            mood == "surplus"
        )
