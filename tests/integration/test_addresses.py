"""Every kind of address, for listeners and for instances, from the client through to the instance and back."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.helpers import Gateway, Origin, configuration
from tests.helpers.message import read_head

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Elsewhere(Origin):
    """An origin at another kind of address than 127.0.0.1."""

    def __init__(self, at: str) -> None:
        super().__init__(b"found")
        self._at = at

    @property
    def address(self) -> str:
        """As a configuration writes it."""
        return self._at if self._at.startswith("unix:") else f"[{self._at}]:{self.port}"

    async def start(self) -> None:
        """Listens there."""
        if self._at.startswith("unix:"):
            self._server = await asyncio.start_unix_server(self._accepted, self._at.removeprefix("unix:"))
        else:
            self._server = await asyncio.start_server(self._accepted, self._at, 0)
            self.port = self._server.sockets[0].getsockname()[1]


async def ask(url: str) -> tuple[str, dict[str, str], bytes]:
    """Status, fields in lower case, and body of a request to a listener's URL."""
    if url.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix:"))
    else:
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(REQUEST)
    head = await read_head(reader)
    assert head is not None
    body = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return head.start[1], {name.lower(): value for name, value in head.fields}, body


@contextlib.asynccontextmanager
async def listening(
    address: str, *, workers: int = 2, inherit: int | None = None
) -> AsyncIterator[tuple[Gateway, Origin]]:
    """A gateway whose second listener has this address."""
    async with Origin(b"found") as origin:
        more = f'[[listen]]\naddress = "{address}"'
        file = configuration(origin, workers=workers, listen=f"\n{more}")
        async with Gateway(file, inherit=() if inherit is None else (inherit,)) as gateway:
            yield gateway, origin


@pytest.mark.parametrize("kind", ["unix", "[::1]"])
async def test_a_listener(kind: str, tmp_path: Path) -> None:
    """It serves all workers' clients, is named in the status, and its clients have an address in what the instance gets."""
    address = f"unix:{tmp_path / 'listener'}" if kind == "unix" else "[::1]:0"
    async with listening(address) as (gateway, origin):
        url = gateway.ready["listen"][1]
        assert url == (address if kind == "unix" else f"http://[::1]:{urlsplit(url).port}")
        for _ in range(20):
            status, _, body = await ask(url)
            assert (status, body) == ("200", b"found")
        expected = "127.0.0.1" if kind == "unix" else "::1"
        assert {request.fields.one("x-forwarded-for") for request in origin.requests} == {expected}
    assert kind != "unix" or not Path(address.removeprefix("unix:")).exists()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
async def test_an_inherited_listener(family: socket.AddressFamily, tmp_path: Path) -> None:
    """``fd:N`` serves on the socket that was given; afterwards it still listens, for whoever gave it."""
    place = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}.get(
        family, str(tmp_path / "given")
    )
    with socket.socket(family) as given:
        given.bind(place)
        given.listen(64)
        async with listening(f"fd:{given.fileno()}", inherit=given.fileno()) as (gateway, _):
            for _ in range(20):
                status, _, body = await ask(gateway.ready["listen"][1])
                assert (status, body) == ("200", b"found")
        given.setblocking(False)
        with socket.socket(family) as successor:
            successor.connect(given.getsockname())
            accepted, _ = await asyncio.get_running_loop().sock_accept(given)
            accepted.close()


@pytest.mark.parametrize("kind", ["unix", "::1"])
async def test_an_instance(kind: str, tmp_path: Path) -> None:
    """It is probed and asked over kept connections, and named in the status as it is configured."""
    at = f"unix:{tmp_path / 'instance'}" if kind == "unix" else kind
    health = 'health = { path = "/", interval = "100ms" }'
    async with Elsewhere(at) as origin, Gateway(configuration(origin, service=health)) as gateway:
        for _ in range(5):
            status, fields, body = await ask(gateway.url)
            assert (status, body) == ("200", b"found")
            assert "proxy-status" not in fields
        assert (await gateway.instance(origin.address))["address"] == origin.address
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_instance_healthy", instance=origin.address) == 1
        assert metrics.sum("headgate_upstream_connects_total") == 1
