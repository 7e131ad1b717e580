"""The fast path does what the shell would do, and leaves the shell alone."""

import random
from collections.abc import Callable
from typing import cast

import pytest

from gateway.state.lane import UpstreamFastPath
from gateway.worker.ingress import ClientConnection
from gateway.worker.upstream import UpstreamConnection
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, Transport, answer, put

Trace = list[bytes]


async def test_a_common_exchange_never_calls_the_shell(
    stage_with: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a kept connection a request and its answer, each in one piece, are a write each."""
    stage = await stage_with(instances=1)
    client = stage.client()
    instance = await stage.exchange(client)
    performed: list[int] = []
    monkeypatch.setattr(ClientConnection, "_perform", lambda _, action, *__: performed.append(action))
    for _ in range(3):
        client.says(REQUEST)
        instance.says(ANSWER)
        assert instance.got().startswith(b"GET / HTTP/1.1\r\n")
        assert client.got().endswith(b"\r\n\r\nok")
        assert len(stage.pooled()) == 1
    assert performed == []


async def test_an_empty_pool_is_asked_once(stage_with: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without an idle connection to its instance has a connection opened, and nobody looks again."""
    stage = await stage_with(instances=1)
    client = stage.client()
    monkeypatch.setattr(ClientConnection, "_pool", None)
    client.says(REQUEST)
    instance = await stage.instance()
    assert instance.got().startswith(b"GET / HTTP/1.1\r\n")


async def test_a_paused_client_is_left_to_the_shell(stage_with: SetUp) -> None:
    """A client that was paused for its instance's sake is read again after the exchange."""
    stage = await stage_with(instances=1)
    client = stage.client()
    instance = await stage.exchange(client)
    client.says(REQUEST)
    cast("ClientConnection", client.protocol).instance_full()
    assert not client.reading
    instance.says(ANSWER)
    assert client.reading


async def test_what_an_idle_instance_says_ends_its_connection(stage: Stage) -> None:
    """An answer that nobody asked for must not be the next request's."""
    client = stage.client()
    instance = await stage.exchange(client)
    instance.says(ANSWER)
    await stage.turn()
    assert instance.gone
    assert not stage.pooled()


def test_nothing_is_there_before_a_connection_is() -> None:
    """A protocol that is not connected says so, instead of failing somewhere else."""
    upstream = UpstreamFastPath(instance=1, keepalive_ns=1, max_idle=1)
    with pytest.raises(AttributeError, match="no connection yet"):
        _ = upstream.transport
    assert not hasattr(upstream, "transport")


@pytest.mark.parametrize("seed", range(40))
async def test_it_does_what_the_shell_would(
    stage_with: SetUp, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A random life has the same bytes on both sides and the same pool, with and without the fast path."""
    monkeypatch.setattr("gateway.worker.plane.wall_ns", lambda: 0)  # the Date of both lives
    fast = await life(await stage_with(), random.Random(seed))
    stage = await stage_with()
    monkeypatch.setattr(ClientConnection, "data_received", by_the_shell(stage))
    monkeypatch.setattr(UpstreamConnection, "data_received", answer_by_the_shell(stage))
    assert await life(stage, random.Random(seed)) == fast


def by_the_shell(stage: Stage) -> Callable[[ClientConnection, bytes], None]:
    """What ``data_received`` does, without the fast path."""
    return lambda self, data: self._perform(*self._machine.receive(data, stage.now))


def answer_by_the_shell(stage: Stage) -> Callable[[UpstreamConnection, bytes], None]:
    """The same for an instance's bytes."""

    def data_received(self: UpstreamConnection, data: bytes) -> None:
        if self.client is None:
            self.close()
        else:
            self.client._perform(*self.client._machine.respond(data, stage.now))

    return data_received


REQUESTS = (
    REQUEST,
    REQUEST * 2,
    put(4) + b"body",
    put(20_000) + bytes(20_000),
    b"GET /?long HTTP/1.1\r\nHost: a\r\n\r\n",
)
ANSWERS = (
    ANSWER,
    answer(5000) + bytes(5000),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nto the end",
    b"?",
)


async def life(stage: Stage, rng: random.Random) -> tuple[Trace, Trace, int, dict[int, int]]:
    """Sends requests and answers, whole and in pieces; what each side got, what is pooled, what was counted."""
    to_clients: Trace = []
    to_instances: Trace = []
    instances: list[Transport] = []
    client = stage.client()
    for _ in range(12):
        if client.gone or client.closing:
            client = stage.client()
        say(client, rng.choice(REQUESTS), rng)
        for _ in range(3):
            await stage.turn()
            while stage.network.connects:
                instances.append(stage.network.connects.pop(0).succeeds())
                await stage.turn()
            for instance in instances:
                if got := instance.got():
                    to_instances.append(got)
                    reply = rng.choice(ANSWERS)
                    say(instance, reply, rng)
                    if b"1.0 200" in reply and instance.reading:
                        instance.ends()
        to_clients.append(client.got())
    return to_clients, to_instances, len(stage.pooled()), stage.statuses()


def say(transport: Transport, data: bytes, rng: random.Random) -> None:
    """In one piece, or in two."""
    cut = rng.choice((0, 0, rng.randrange(len(data))))
    for piece in (data[:cut], data[cut:]):
        if piece and transport.reading:
            transport.says(piece)
