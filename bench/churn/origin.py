"""The origin behind every member: the same answer on all addresses of this machine; prints its port."""

import asyncio
import socket
from typing import cast

import uvloop

from bench.messages import RESPONSE


class _Answers(asyncio.Protocol):
    """Answers each request, which comes in one piece; it is not measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        """A whole request."""
        assert data.endswith(b"\r\n\r\n")
        self._transport.write(RESPONSE)


async def _serve() -> None:
    with socket.create_server(("", 0), backlog=4096) as listening:
        server = await asyncio.get_running_loop().create_server(_Answers, sock=listening)
        print(listening.getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
