"""The origin behind every member: the same answer on all addresses of this machine, perhaps some seconds late; prints its port."""

import asyncio
import socket
import sys
from typing import cast

import uvloop

from bench.messages import RESPONSE


class _Answers(asyncio.Protocol):
    """Answers each request, which comes in one piece; it is not measured."""

    def __init__(self, late_seconds: float) -> None:
        self._late_seconds = late_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        """A whole request."""
        assert data.endswith(b"\r\n\r\n")
        if self._late_seconds:
            asyncio.get_running_loop().call_later(self._late_seconds, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():  # who waited for it may be gone
            self._transport.write(RESPONSE)


async def _serve(late_seconds: float) -> None:
    with socket.create_server(("", 0), backlog=4096) as listening:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Answers(late_seconds), sock=listening
        )
        print(listening.getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
