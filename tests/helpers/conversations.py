"""WebSockets that talk all the while: every frame is compared with its echo, and an end that comes too early is told."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.helpers.client import Client, HasPort
from tests.helpers.websocket import BINARY, PING, PONG, TEXT, Frame, WebSocket

PAUSE_SECONDS = 0.05
SIZES = (0, 1, 125, 126, 1000, 20_000)
"""Payloads around each form of the length field, and one of several segments."""


@dataclass(slots=True)
class Conversations:
    """What was said on all WebSockets of a test, and when each of them ended."""

    frames: int = 0
    ended: list[float] = field(default_factory=list)
    """Monotonic seconds at which the gateway ended a WebSocket."""
    _stopping: bool = False

    @contextlib.asynccontextmanager
    async def held(self, server: HasPort, count: int, target: str = "/") -> AsyncIterator[None]:
        """So many WebSockets, from entering to leaving, all of them open before the first statement within.

        A frame that does not come back as it was sent fails the test when it leaves.
        """
        async with contextlib.AsyncExitStack() as stack:
            sockets = [WebSocket(await stack.enter_async_context(Client(server))) for _ in range(count)]
            await asyncio.gather(*(socket.open(target=target) for socket in sockets))
            tasks = [
                asyncio.create_task(self._converse(socket, number)) for number, socket in enumerate(sockets)
            ]
            try:
                yield
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)

    async def _converse(self, socket: WebSocket, number: int) -> None:
        turn = 0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not self._stopping:
                frame = _frame(number, turn)
                answer = Frame(PONG, frame.payload) if frame.opcode == PING else frame
                assert await socket.echo(frame) == [answer], (
                    f"WebSocket {number} came back with another frame"
                )
                turn += 1
                self.frames += 1
                await asyncio.sleep(PAUSE_SECONDS)
            return
        self.ended.append(time.monotonic())


def _frame(number: int, turn: int) -> Frame:
    """No two frames are equal, so that one of another WebSocket, or of another turn, is noticed."""
    opcode = (TEXT, BINARY, PING)[turn % 3]
    label = b"%d/%d " % (number, turn)
    size = min(SIZES[turn % len(SIZES)], 125) if opcode == PING else SIZES[turn % len(SIZES)]
    return Frame(opcode, (label * (size // len(label) + 1))[: max(size, len(label))])
