"""What an exchange or a connection leaves in memory: nothing, without the help of the collector."""

import gc
from collections.abc import Iterator

import pytest

from gateway.worker.ingress import ClientConnection
from gateway.worker.upstream import UpstreamConnection
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, answer, post


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Only reference counts free memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(kind: type) -> int:
    """Objects of a class that still exist."""
    return sum(isinstance(one, kind) for one in gc.get_objects())


async def test_a_connection_goes_with_its_socket(stage: Stage) -> None:
    """After its end nothing refers to a client's connection, nor to those it was served by."""
    before = alive(ClientConnection), alive(UpstreamConnection)
    client = stage.client()
    await stage.exchange(client)
    client.says(post(4) + b"ab")
    instance = await stage.instance()
    client.says(b"cd")
    instance.says(answer(4) + b"ab")
    client.breaks()
    await stage.turn()
    stage.pooled()[0].close()
    await stage.turn()
    del client, instance
    assert (alive(ClientConnection), alive(UpstreamConnection)) == before


async def test_an_exchange_leaves_nothing_on_the_connections(stage: Stage) -> None:
    """Between two requests a client's connection refers to no instance's, and the reverse."""
    client = stage.client()
    await stage.exchange(client)
    connection = client.protocol
    assert isinstance(connection, ClientConnection)
    assert (connection._upstream, connection._opening, connection._replay) == (None, None, None)
    (upstream,) = stage.pooled()
    assert upstream.client is None


@pytest.mark.parametrize("ending", ["refused", "cancelled"])
async def test_a_failed_connect_leaves_nothing(stage: Stage, ending: str) -> None:
    """Neither an attempt that has failed nor one that was given up keeps the connection."""
    before = alive(ClientConnection)
    client = stage.client()
    client.says(REQUEST)
    await stage.turn()
    if ending == "refused":
        stage.network.connects.pop().fails()
        await stage.turn()
        stage.network.connects.pop().fails()
    await stage.turn()
    client.breaks()
    await stage.turn()
    stage.network.connects.clear()
    del client
    assert alive(ClientConnection) == before


async def test_the_collector_finds_nothing_after_many_exchanges(stage: Stage) -> None:
    """Requests make no garbage that only the collector could free."""
    client = stage.client()
    await stage.exchange(client)
    await stage.exchange(client)
    gc.collect()
    for _ in range(50):
        client.says(REQUEST)
        connection = client.protocol
        assert isinstance(connection, ClientConnection)
        assert connection._upstream is not None
        connection._upstream.data_received(ANSWER)
    assert gc.collect() == 0
