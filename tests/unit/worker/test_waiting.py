"""A request that waits for a place on an instance: what is held back, who asks again, and every end."""

import os
from collections.abc import Callable, Iterator
from typing import cast

from gateway.state.lane import Lane
from gateway.worker.waiting import WaitingLine
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, Transport, post

QUEUE = {"size": 2, "timeout_ms": 1_000}
SERVED, FULL, DISPLACED, LATE, LEFT, FAILED = range(6)


async def busy(stage_with: SetUp) -> tuple[Stage, Transport]:
    """A stage whose only instance has the one request that it may have."""
    stage = await stage_with(instances=1, max_in_flight=1, queue=QUEUE)
    stage.client().says(REQUEST)
    return stage, await stage.instance()


async def test_a_request_waits_for_the_place_of_another(stage_with: SetUp) -> None:
    """It goes out on the kept connection when the other one has its answer, and not before."""
    stage, instance = await busy(stage_with)
    client = stage.client()
    client.says(REQUEST)
    instance.got()
    await stage.pass_time(0.05)
    assert not instance.got()
    assert stage.waiting() == 1
    instance.says(ANSWER)
    await stage.pass_time(0.05)
    assert instance.got().startswith(b"GET / HTTP/1.1\r\n")
    instance.says(ANSWER)
    assert b"200 OK" in client.got()
    assert stage.waiting() == 0
    assert stage.wait_ends()[SERVED] == 1


async def test_a_wake_up_is_seen_to_at_once(stage_with: SetUp) -> None:
    """What another worker writes when it gives a place back starts a round, without a tick; an answer for those who wait for a
    token is no news for those who wait for a place.
    """
    stage, instance = await busy(stage_with)
    stage.client().says(REQUEST)
    instance.says(ANSWER)
    instance.got()
    wake = os.eventfd(0, os.EFD_NONBLOCK)
    for news in (1 << 32, 1):
        assert not instance.got()
        os.eventfd_write(wake, news)
        stage.plane.waiting.woken(wake)
    os.close(wake)
    assert instance.got().startswith(b"GET / HTTP/1.1\r\n")


async def test_a_crowd_is_asked_in_slices() -> None:
    """Whoever else has something to do is not kept from it, and everybody has had a turn in the end."""
    asked: list[int] = []
    later: list[Callable[[], None]] = []

    class Line:
        has_waiting = True
        left: Iterator[int] = iter(())

        def begin_round(self, _: int | None) -> None:
            self.left = iter(range(100))

        def next_turn(self, _: int) -> int | None:
            return next(self.left, None)

    line = WaitingLine(cast("Lane", Line()), asked.append, later.append)
    line.go_on()
    assert 0 < len(asked) < 100
    line.go_on()
    assert len(later) == 1, "the rest is on its way already"
    while later:
        later.pop()()
    assert asked[-100:] == list(range(100))


async def test_a_body_that_comes_meanwhile_is_held_back(stage_with: SetUp) -> None:
    """All of it is kept; beyond the replay buffer the client is not read, so it is bounded."""
    stage, instance = await busy(stage_with)
    client = stage.client()
    size = client.protocol.REPLAY_BYTES + 1_000  # type: ignore[union-attr]
    client.says(post(size))
    client.says(bytes(size - 1))
    is_read = [client.reading]
    instance.says(ANSWER)
    instance.got()
    await stage.pass_time(0.05)
    is_read.append(client.reading)
    assert is_read == [False, True]
    client.says(b"!")
    assert instance.got().endswith(bytes(size - 1) + b"!")
    instance.says(ANSWER)
    assert b"200 OK" in client.got()


async def test_nobody_waits_longer_than_may_be(stage_with: SetUp) -> None:
    """Then it is answered, and its connection carries the next request."""
    stage, instance = await busy(stage_with)
    client = stage.client()
    client.says(REQUEST)
    await stage.pass_time(0.9)
    assert not client.got()
    await stage.pass_time(0.2)
    assert client.got().startswith(b"HTTP/1.1 503 ")
    assert stage.wait_ends()[LATE] == 1
    instance.says(ANSWER)
    client.says(REQUEST)
    instance.says(ANSWER)
    assert b"200 OK" in client.got()


async def test_a_client_that_leaves_waits_no_more(stage_with: SetUp) -> None:
    """Whether it resets its connection or says that it sends no more: its place in the queue is another's at once."""
    stage, instance = await busy(stage_with)
    for leave in (Transport.breaks, Transport.ends, Transport.breaks):
        client = stage.client()
        client.says(REQUEST)
        assert stage.waiting() == 1
        leave(client)
        await stage.turn()
        assert stage.waiting() == 0
        assert client.gone
    assert stage.wait_ends()[LEFT] == 3
    instance.says(ANSWER)
    assert stage.in_flight() == 0


async def test_one_too_many_is_refused(stage_with: SetUp) -> None:
    """As many wait as may; the next one is told to come again."""
    stage, _ = await busy(stage_with)
    clients = [stage.client() for _ in range(3)]
    for client in clients:
        client.says(REQUEST)
    assert [client.got()[9:12] for client in clients] == [b"", b"", b"503"]
    assert (stage.waiting(), stage.wait_ends()[FULL]) == (2, 1)


async def test_a_pipelined_request_waits_in_its_turn(stage_with: SetUp) -> None:
    """Behind one that waits nothing overtakes it."""
    stage, instance = await busy(stage_with)
    client = stage.client()
    client.says(REQUEST + REQUEST)
    assert stage.waiting() == 1
    for _ in range(3):
        instance.says(ANSWER)
        await stage.pass_time(0.05)
    assert client.got().count(b"200 OK") == 2
    assert stage.waiting() == 0
