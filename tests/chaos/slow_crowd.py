"""A crowd of clients that are slow on purpose, and the instance that they ask, in a process of their own: ``COUNT``, in each
manner. It prints its instance's port, reads the gateway's, and prints how the connections ended. So whoever is not slow is
measured without waiting for what the crowd's own work takes.
"""

import asyncio
import contextlib
import json
import resource
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import uvloop

from tests.helpers.origin import Origin, OriginConnection, Request
from tests.helpers.processes import die_with_parent

AT_ONCE = 25
"""So many connect at the same time."""
PIECE = bytes(64 << 10)
PIECES = 1_000


class Library(Origin):
    """Answers every GET with 64 MB. Its kernel holds little, as that of another machine would hold nothing of this one's memory."""

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """One request."""
        raw: socket.socket = connection.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(PIECE))
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (PIECES * len(PIECE)))
        for _ in range(PIECES):
            await connection.send(PIECE)


@dataclass(frozen=True, slots=True)
class Manner:
    """One way to be slow: after the opening so many bytes are sent, or read, and then nothing for a while, again and again."""

    opening: bytes
    drop: bytes
    sip: int
    pause: float
    deadline: float
    """Seconds after which the gateway has waited long enough."""
    answer: bytes
    """How that begins which the client gets."""


LISTEN = 'timeouts = { header = "4s", write = "4s" }\nmin_rate = "500B/s"'
"""What the deadlines follow from."""
PATH = "/slow/*"
"""What the crowd asks for."""
MANNERS = {
    "heads": Manner(b"GET /slow/ HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n", 0, 1.0, 4.0, b"HTTP/1.1 408 "),
    "bodies": Manner(
        b"POST /slow/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
        b"x" * 50,
        0,
        1.0,
        10.0,
        b"HTTP/1.1 408 ",
    ),
    "readers": Manner(b"GET /slow/ HTTP/1.1\r\nHost: a\r\n\r\n", b"", 100, 0.5, 4.0, b"HTTP/1.1 200 "),
}


@dataclass(slots=True)
class End:
    """How the connection of a slow client ended."""

    at_most: float
    """Seconds since the client began its opening."""
    at_least: float
    """Seconds since the gateway had its opening, or the client the first bytes of the answer to it."""
    answer: bytes


@dataclass(slots=True)
class Ends:
    """How those of all clients of one manner ended."""

    earliest: float
    """Seconds after which the first one was let go, at most."""
    latest: float
    """Seconds after which the last one was let go, at least."""
    strange: list[str]
    """What those got that got something else."""

    @classmethod
    def of(cls, manner: Manner, ends: Sequence[End]) -> "Ends":
        """Of so many."""
        strange = [repr(end.answer[:80]) for end in ends if not end.answer.startswith(manner.answer)]
        return cls(min(end.at_most for end in ends), max(end.at_least for end in ends), strange)


async def be_slow(port: int, manner: Manner, opened: asyncio.Semaphore) -> End:
    """One connection, from its opening until the gateway ends it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with opened:
            await loop.sock_connect(raw, ("127.0.0.1", port))
            began = loop.time()
            await loop.sock_sendall(raw, manner.opening)
            first = b"" if manner.drop else await loop.sock_recv(raw, manner.sip)
        waiting = loop.time()
        answer, there, gone = await (drip(raw, manner) if manner.drop else sip(raw, manner))
        return End(gone - began, there - waiting, first + answer)


async def drip(raw: socket.socket, manner: Manner) -> tuple[bytes, float, float]:
    """Sends a little in every pause; what comes until the end, and between which times that was."""
    loop = asyncio.get_running_loop()
    heard = asyncio.ensure_future(sip(raw, replace(manner, sip=1000, pause=0)))
    while not heard.done():
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(raw, manner.drop)
        await asyncio.sleep(manner.pause)
    return heard.result()


async def sip(raw: socket.socket, manner: Manner) -> tuple[bytes, float, float]:
    """Reads a little in every pause; what comes until the end, and between which times that was: who pauses learns of it
    afterwards. A reset counts when it comes, not behind all that came before.
    """
    loop, answer = asyncio.get_running_loop(), b""
    there = loop.time()
    with contextlib.suppress(ConnectionError):
        while not raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            part = await loop.sock_recv(raw, manner.sip)
            there = loop.time()
            if not part:
                break
            answer += part
            await asyncio.sleep(manner.pause)
    gone = loop.time()
    return answer, there if manner.pause else gone, gone


async def main(count: int) -> None:
    """Until the last one is let go."""
    async with Library() as library:
        print(library.port, flush=True)
        port = int(await asyncio.to_thread(sys.stdin.readline))
        opened = asyncio.Semaphore(AT_ONCE)
        crowds = [
            [asyncio.create_task(be_slow(port, manner, opened)) for _ in range(count)]
            for manner in MANNERS.values()
        ]
        ends = {
            name: Ends.of(manner, await asyncio.gather(*crowd))
            for (name, manner), crowd in zip(MANNERS.items(), crowds, strict=True)
        }
    print(json.dumps({name: asdict(one) for name, one in ends.items()}), flush=True)


if __name__ == "__main__":
    die_with_parent()
    clients = int(sys.argv[1])
    descriptors = 5 * clients + 200  # every client's, and the instance's of those whose heads are whole
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (descriptors, max(descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    )
    uvloop.run(main(clients))
