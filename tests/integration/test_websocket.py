"""WebSockets through the gateway equal direct ones byte by byte, whatever is sent and however they end."""

from array import array
from collections.abc import Awaitable, Callable
from typing import Any

from tests.helpers import Client, Gateway, configuration, eventually
from tests.helpers.proof import PROOF
from tests.helpers.websocket import (
    BINARY,
    CONTINUATION,
    GOING_AWAY,
    MASK,
    PING,
    PONG,
    TEXT,
    Frame,
    WebSocket,
    WebSocketEcho,
    closing,
)

PINGS = 100_000 if PROOF else 5_000
MIB = 1 << 20
CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)

Scenario = Callable[[WebSocket], Awaitable[None]]


def pattern(size: int) -> bytes:
    """Bytes in which every cut and every loss shows."""
    return array("I", range(size // 4 + 1)).tobytes()[:size]


async def every_kind(socket: WebSocket) -> None:
    """Text, binary, ping, pong, and a close."""
    sent = [
        Frame(TEXT, "grüß".encode()),
        Frame(BINARY, bytes(range(256))),
        Frame(PONG, b"unasked"),
        Frame(TEXT),
    ]
    assert await socket.echo(*sent) == sent
    assert await socket.echo(Frame(PING), Frame(PING, b"x" * 125)) == [Frame(PONG), Frame(PONG, b"x" * 125)]
    await socket.send(closing(1000, b"bye"))
    assert await socket.receive() == [closing(1000, b"bye")]


async def every_length(socket: WebSocket) -> None:
    """Lengths around each form of the length field."""
    for size in (0, 1, 125, 126, 127, 4095, 65_535, 65_536, 65_537, 300_000):
        assert await socket.echo(frame := Frame(BINARY, pattern(size))) == [frame]
    socket.finish()


async def fragments(socket: WebSocket) -> None:
    """A message in pieces, with control frames between them."""
    sent = [
        Frame(TEXT, b"in ", fin=False),
        Frame(CONTINUATION, b"", fin=False),
        Frame(PING, b"between"),
        Frame(CONTINUATION, b"pie", fin=False),
        Frame(CONTINUATION, b"ces"),
    ]
    answer = [Frame(PONG, b"between") if frame.opcode == PING else frame for frame in sent]
    assert await socket.echo(*sent) == answer
    for byte in Frame(BINARY, b"byte by byte").encode(MASK):
        await socket.send_raw(bytes([byte]))
    assert await socket.receive() == [Frame(BINARY, b"byte by byte")]
    socket.finish()


async def one_large_message(socket: WebSocket) -> None:
    """16 MiB in one frame."""
    assert await socket.echo(frame := Frame(BINARY, pattern(16 * MIB))) == [frame]
    socket.finish()


async def one_large_message_in_fragments(socket: WebSocket) -> None:
    """16 MiB in frames of 64 KiB, all sent before any is read."""
    size = 1 << 16
    part = pattern(size)
    middle = [Frame(CONTINUATION, part, fin=False)] * (16 * MIB // size - 2)
    sent = [Frame(BINARY, part, fin=False), *middle, Frame(CONTINUATION, part)]
    assert await socket.echo(*sent) == sent
    socket.finish()


async def ping_storm(socket: WebSocket) -> None:
    """Every ping has its pong, in order."""
    pings = [Frame(PING, number.to_bytes(4, "big")) for number in range(PINGS)]
    assert await socket.echo(*pings) == [Frame(PONG, ping.payload) for ping in pings]
    socket.finish()


async def client_ends(socket: WebSocket) -> None:
    """The client's FIN without a close, behind half a frame."""
    await socket.echo(Frame(TEXT, b"hello"))
    await socket.send_raw(Frame(TEXT, b"never whole").encode(MASK)[:9])
    socket.finish()


async def client_resets(socket: WebSocket) -> None:
    """The client's RST."""
    await socket.echo(Frame(TEXT, b"hello"))
    socket.reset()


def asks_for(text: bytes) -> Scenario:
    """The server does what the text says."""

    async def scenario(socket: WebSocket) -> None:
        await socket.echo(Frame(TEXT, b"hello"))
        await socket.send(Frame(TEXT, text))

    return scenario


async def server_closes(socket: WebSocket) -> None:
    """A close frame of the server, between two of the client's, and its echo."""
    await socket.send(Frame(TEXT, b"first"), Frame(TEXT, b"#close"))
    assert await socket.receive(2) == [Frame(TEXT, b"first"), GOING_AWAY]
    await socket.send(GOING_AWAY)


async def server_finishes(socket: WebSocket) -> None:
    """A FIN of the server lets the client go on sending."""
    await socket.send(Frame(TEXT, b"#finish"))
    assert (await socket.ended()).end == "eof"
    await socket.send(Frame(BINARY, pattern(200_000)))
    socket.finish()


def closes_with(*frames: Frame) -> Scenario:
    """A close frame of the client, and its echo."""

    async def scenario(socket: WebSocket) -> None:
        await socket.send(*frames)
        assert await socket.receive(len(frames)) == list(frames)
        socket.finish()

    return scenario


SCENARIOS: dict[str, Scenario] = {
    function.__name__: function
    for function in (
        every_kind, every_length, fragments, one_large_message, one_large_message_in_fragments, ping_storm,
        client_ends, client_resets, server_closes, server_finishes,
    )
} | {
    "server_resets": asks_for(b"#reset"),
    "server_ends": asks_for(b"#end"),
    "server_ends_within_a_frame": asks_for(b"#half"),
    "empty_close": closes_with(Frame(0x8)),
}  # fmt: skip


async def played(scenario: Scenario, server: Any, echo: WebSocketEcho) -> list[Any]:
    """Plays a scenario; what client and server received, and how that ended."""
    before = len(echo.streams)
    async with Client(server) as client:
        socket = WebSocket(client)
        await socket.open()
        await scenario(socket)
        stream = await socket.ended()
    await eventually(lambda: echo.streams[before].end or all(it.closed.is_set() for it in echo.connections))
    return [stream.digest(), echo.streams[before].digest()]


async def test_conversations_are_the_same_as_without_the_gateway() -> None:
    """Both sides get the same bytes and the same end; afterwards nothing is in flight and each is counted once."""
    async with WebSocketEcho() as echo, Gateway(configuration(echo)) as gateway:
        for name, scenario in SCENARIOS.items():
            direct = await played(scenario, echo, echo)
            assert await played(scenario, gateway, echo) == direct, name
        await eventually(gateway.empty)
        assert (await gateway.metrics()).sum("headgate_requests_total", code="101") == len(SCENARIOS)


async def test_close_codes_pass() -> None:
    """Every close code, with and without a reason, comes back as it was sent, and both ends see the same bytes."""
    async with WebSocketEcho() as echo, Gateway(configuration(echo)) as gateway:
        for code in CODES:
            for reason in (b"", b"because " + b"x" * 115):
                scenario = closes_with(closing(code, reason))
                assert await played(scenario, gateway, echo) == await played(scenario, echo, echo)
        await eventually(gateway.empty)
