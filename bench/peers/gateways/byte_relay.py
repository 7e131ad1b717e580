"""A byte relay on uvloop that knows no HTTP: the floor for any gateway whose bytes uvloop moves.

Run as ``python -m bench.peers.gateways.byte_relay PORT ORIGIN...``; an origin is ``host:port``, and each client
connection gets one in turn.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterator
from typing import cast

import uvloop


class Pipe(asyncio.Protocol):
    """One side of a relayed connection: what it receives goes to its peer, and their ends are one end."""

    def __init__(self, peer: "Pipe | None" = None) -> None:
        self.transport: asyncio.Transport | None = None
        self._peer = peer
        if peer is not None:
            peer._peer = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport; the base class of the callback is wider than what TCP gives."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """The whole relay."""
        if self._peer is not None and self._peer.transport is not None:
            self._peer.transport.write(data)

    def pause_writing(self) -> None:
        """This side takes no more: stop reading from the other."""
        if self._peer is not None and self._peer.transport is not None:
            self._peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """This side takes more again."""
        if self._peer is not None and self._peer.transport is not None:
            self._peer.transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        """Both sides end together."""
        peer, self._peer = self._peer, None
        if peer is not None and peer.transport is not None:
            peer.transport.close()


class Accepted(Pipe):
    """The client's side: keeps what arrives before its origin is connected."""

    def __init__(self, origins: Iterator[tuple[str, int]]) -> None:
        super().__init__()
        self._origins = origins
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connects to the origin whose turn it is."""
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        """Relays, once there is somebody to relay to."""
        if self._peer is not None and self._peer.transport is not None:
            self._peer.transport.write(data)
        else:
            self._early.append(data)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            upstream, _ = await loop.create_connection(lambda: Pipe(self), *next(self._origins))
        except OSError:
            if self.transport is not None:
                self.transport.abort()
        else:
            upstream.writelines(self._early)
            self._early.clear()


async def relay(port: int, origins: list[tuple[str, int]]) -> None:
    """Serves until cancelled."""
    turns = itertools.cycle(origins)
    server = await asyncio.get_running_loop().create_server(
        lambda: Accepted(turns), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    pairs = [origin.rpartition(":") for origin in sys.argv[2:]]
    uvloop.run(relay(int(sys.argv[1]), [(host, int(port)) for host, _, port in pairs]))
