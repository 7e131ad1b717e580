"""WebSocket (RFC 6455) on raw frames: a client and an echo server that record every byte, so that tests can compare."""

import asyncio
import base64
import contextlib
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.helpers.client import TIMEOUT_SECONDS, Client
from tests.helpers.message import Head, read_head, render
from tests.helpers.origin import Origin, OriginConnection, Reply, Request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = base64.b64encode(b"sixteen bytes...").decode()
MASK = b"\x37\xfa\x21\x3d"
HANDSHAKE = [
    ("Host", "a"), ("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, with what the tests vary of it."""

    opcode: int
    payload: bytes = b""
    fin: bool = True

    def encode(self, mask: bytes | None = None) -> bytes:
        """The frame as bytes; clients mask theirs."""
        size, masked = len(self.payload), 0x80 if mask else 0
        head = bytes([self.fin << 7 | self.opcode])
        if size < 126:
            head += bytes([masked | size])
        elif size < 1 << 16:
            head += struct.pack("!BH", masked | 126, size)
        else:
            head += struct.pack("!BQ", masked | 127, size)
        return head + (mask + apply_mask(self.payload, mask) if mask else self.payload)


def apply_mask(data: bytes, mask: bytes) -> bytes:
    """Masks or unmasks."""
    if not data:
        return b""
    long = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(long, "big")).to_bytes(len(data), "big")


async def read_frame(reader: asyncio.StreamReader, raw: bytearray) -> Frame:
    """The next frame, unmasked; its bytes as they came are added to ``raw``, be it whole or not."""

    async def take(size: int) -> bytes:
        try:
            data = await reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raw.extend(error.partial)
            raise
        raw.extend(data)
        return data

    first, second = await take(2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await take(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await take(8))
    mask = await take(4) if second & 0x80 else b""
    payload = await take(size)
    return Frame(first & 0x0F, apply_mask(payload, mask) if mask else payload, bool(first & 0x80))


def closing(code: int, reason: bytes = b"") -> Frame:
    """A close frame."""
    return Frame(CLOSE, struct.pack("!H", code) + reason)


GOING_AWAY = closing(1001, b"going away")


@dataclass(slots=True)
class Stream:
    """What one side has received in the new protocol, and how that ended: ``eof`` or ``reset``."""

    received: bytearray = field(default_factory=bytearray)
    end: str = ""

    def digest(self) -> tuple[int, str, str]:
        """Length, hash and end: equal streams have equal digests, and unequal ones are short to print."""
        return len(self.received), hashlib.sha256(self.received).hexdigest(), self.end


def switching(request: Request) -> bytes:
    """The answer that accepts a handshake."""
    key = (request.fields.one("sec-websocket-key") or "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    return render("HTTP/1.1 101 Switching Protocols", fields)


class WebSocketEcho(Origin):
    """Answers every frame with the same frame, a ping with a pong, a close with a close and the end.

    A text of ``#close`` makes it send a close of its own, ``#reset`` reset the connection, ``#end`` end it without a
    close, ``#half`` end within a frame, ``#finish`` half-close and go on reading. ``greeting`` is sent in one piece with the handshake.
    """

    def __init__(self, *, greeting: Iterable[Frame] = (), port: int = 0) -> None:
        super().__init__(port=port)
        self.streams: list[Stream] = []
        self._greeting = b"".join(frame.encode() for frame in greeting)

    async def serve(self, connection: OriginConnection) -> None:
        """A handshake and a conversation; other requests are answered as by any origin."""
        while (request := await self.read_request(connection)) is not None:
            if not request.fields.all("upgrade"):
                await self.answer(request, connection)
                continue
            await connection.send(switching(request) + self._greeting)
            self.streams.append(stream := Stream())
            await self._converse(connection, stream)
            return

    async def _converse(self, connection: OriginConnection, stream: Stream) -> None:
        try:
            while not connection.writer.is_closing():
                frame = await read_frame(connection.reader, stream.received)
                await self._react(frame, connection, stream)
        except asyncio.IncompleteReadError:
            stream.end = "eof"
        except ConnectionError:
            stream.end = "reset"

    async def _react(self, frame: Frame, connection: OriginConnection, stream: Stream) -> None:
        match frame:
            case Frame(opcode=0x9):
                await connection.send(Frame(PONG, frame.payload).encode())
            case Frame(opcode=0x8):
                await connection.send(frame.encode())
                await self._end(connection, stream)
            case Frame(opcode=0x1, payload=b"#close"):
                await connection.send(GOING_AWAY.encode())
                await read_frame(connection.reader, stream.received)  # the client's close
                await self._end(connection, stream)
            case Frame(opcode=0x1, payload=b"#reset"):
                connection.reset()
            case Frame(opcode=0x1, payload=b"#end"):
                connection.writer.close()
            case Frame(opcode=0x1, payload=b"#half"):
                await connection.send(Frame(BINARY, b"whole").encode()[:4])
                connection.writer.close()
            case Frame(opcode=0x1, payload=b"#finish"):
                connection.writer.write_eof()
            case _:
                await connection.send(frame.encode())

    @staticmethod
    async def _end(connection: OriginConnection, stream: Stream) -> None:
        """The close has gone both ways; the connection ends when the client ends it."""
        connection.writer.write_eof()
        stream.received.extend(await connection.reader.read())
        stream.end = "eof"
        connection.writer.close()


class WebSocket:
    """A client's end on a connection of a :class:`Client`, which it takes over with the handshake."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.stream = Stream()
        self.head: Head | None = None

    async def open(self, early: bytes = b"", target: str = "/") -> None:
        """The handshake, with bytes that do not wait for its answer."""
        await self._client.send(render(f"GET {target} HTTP/1.1", HANDSHAKE) + early)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            self.head = await read_head(self._client.reader)
        assert self.head is not None, "no answer to the handshake"
        assert self.head.start[1] == "101", self.head.raw

    async def send(self, *frames: Frame) -> None:
        """Frames in one piece."""
        await self._client.send(b"".join(frame.encode(MASK) for frame in frames))

    async def send_raw(self, data: bytes) -> None:
        """Bytes that are no whole frame."""
        await self._client.send(data)

    async def receive(self, count: int = 1) -> list[Frame]:
        """The next frames."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return [await read_frame(self._client.reader, self.stream.received) for _ in range(count)]

    async def echo(self, *frames: Frame) -> list[Frame]:
        """Sends frames and receives as many."""
        sending = asyncio.ensure_future(self.send(*frames))  # both at once, or full buffers stop both sides
        received = await self.receive(len(frames))
        await sending
        return received

    async def ended(self) -> Stream:
        """Reads on until the connection ends, and tells how."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while data := await self._client.reader.read(1 << 16):
                    self.stream.received.extend(data)
            self.stream.end = "eof"
        except ConnectionError:
            self.stream.end = "reset"
        return self.stream

    def finish(self) -> None:
        """Half-closes."""
        self._client.finish()

    def reset(self) -> None:
        """Ends the connection with RST."""
        self._client.reset()


class RefusesUpgrade(Origin):
    """Answers a handshake as any request: with 403."""

    def __init__(self) -> None:
        super().__init__(lambda _: Reply(403, b"no"))


class SwitchesUnasked(Origin):
    """Answers every request with a 101."""

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A 101 that nobody asked for."""
        with contextlib.suppress(ConnectionError):
            await connection.send(switching(request))
