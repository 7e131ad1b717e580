"""Listeners that pass connections through: their configuration, and an instance whose connections a test holds in its hands."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Self

from tests.helpers.configuration import HasAddress

TIMEOUT_SECONDS = 20.0


def passing(
    *instances: HasAddress | str,
    workers: int = 1,
    address: str = "127.0.0.1:0",
    gateway: str = "",
    listen: str = "",
    service: str = "",
    more: str = "",
    access_log: bool = False,
    drain: str = "0s",
) -> str:
    """A configuration with one listener that passes its connections through to the service ``db``; ``gateway``, ``listen`` and ``service``
    are lines added to their tables, ``more`` are further tables. ``drain``: what connections get at the end to finish.
    """
    addresses = [one if isinstance(one, str) else one.address for one in instances]
    listed = ", ".join(f'"{one}"' if not one.startswith("{") else one for one in addresses)
    return "\n".join(
        [
            f'[gateway]\nworkers = {workers}\nadmin = "127.0.0.1:0"\ntunnel_drain_timeout = "{drain}"\n{gateway}',
            '[log]\naccess = "stdout"' if access_log else "",
            f'[[listen]]\naddress = "{address}"\nmode = "tcp"\nservice = "db"\n{listen}',
            f"[services.db]\ninstances = [{listed}]\n{service}",
            more,
        ]
    )


@dataclass(slots=True)
class Held:
    """One connection that an instance has accepted."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Writes and waits until the peer keeps up."""
        self.writer.write(data)
        await self.writer.drain()

    def finish(self) -> None:
        """Half-closes."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Ends the connection with RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Keeper:
    """An instance that does nothing by itself: a test takes each connection and plays its part."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self._held: asyncio.Queue[Held] = asyncio.Queue()
        self._all: list[Held] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self._host}:{self.port}"

    @property
    def count(self) -> int:
        """Connections that it has accepted."""
        return len(self._all)

    async def held(self) -> Held:
        """The next connection."""
        return await asyncio.wait_for(self._held.get(), TIMEOUT_SECONDS)

    async def refuse(self) -> None:
        """Accepts no more."""
        assert self._server is not None
        self._server.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, self._host, self.port, limit=1 << 18)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for held in self._all:
            held.writer.transport.abort()
        await self.refuse()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = Held(reader, writer)
        self._all.append(held)
        self._held.put_nowait(held)


class Echo(Keeper):
    """An instance that sends back what it gets, and half-closes when its client has."""

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(Held(reader, writer))
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except ConnectionError:
            pass
