"""Connections that are passed through: what the shell does with them, from the accept to the end that is counted."""

from typing import Any

import pytest

from gateway.model import PassEnd
from gateway.state.lane import Snapshot
from gateway.state.sockets import HIGH_WATER_BYTES
from gateway.state.view import PASS_ENDS
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, NO_ROUTE_ROW, REQUEST, Stage, Transport

PASSES: dict[str, Any] = {"scheme": "tcp", "passage": {"service": 0, "tries": 2}}
HOUR = 3_600.0


def ends(stage: Stage) -> dict[str, int]:
    """How connections have ended."""
    _, _, _, counts = stage.view.passed(NO_ROUTE_ROW)
    return {end: count for end, count in zip(PASS_ENDS, counts, strict=True) if count}


def carried(stage: Stage) -> tuple[int, int, int]:
    """Connections, bytes of clients and bytes for them."""
    connections, received, sent, _ = stage.view.passed(NO_ROUTE_ROW)
    return connections, received, sent


async def passed(stage: Stage) -> tuple[Transport, Transport]:
    """Both ends of a connection."""
    client = stage.client()
    return client, await stage.instance()


async def ended(stage: Stage, **expected: int) -> None:
    """Nothing is left, and this was counted."""
    await stage.turn()
    assert ends(stage) == expected
    assert (stage.statuses(), stage.pooled()) == ({}, [])
    stage.assert_clean()


def test_every_end_that_the_worker_tells_is_one() -> None:
    """The engine knows the names, and more of its own."""
    assert {end.value for end in PassEnd} < set(PASS_ENDS)


async def test_an_instance_is_asked_before_the_client_has_spoken(stage_with: SetUp) -> None:
    """Who speaks first is theirs to know; both ends are carried over, and every byte is counted."""
    stage = await stage_with(listener=PASSES)
    client, instance = await passed(stage)
    instance.says(b"220 hello\r\n")
    client.says(REQUEST)
    assert (client.got(), instance.got()) == (b"220 hello\r\n", REQUEST)
    assert stage.in_flight() == 1
    client.ends()
    assert instance.eof_sent
    instance.says(b"bye")
    instance.ends()
    assert client.got() == b"bye"
    assert carried(stage) == (1, len(REQUEST), 14)
    await ended(stage, closed=1)
    assert not client.reset


async def test_what_comes_meanwhile_waits_for_the_connection(stage_with: SetUp) -> None:
    """Bytes and the FIN; a client that says too much is not read until then."""
    stage = await stage_with(listener=PASSES)
    client = stage.client()
    client.says(b"early")
    client.ends()
    instance = await stage.instance()
    assert instance.got() == b"early"
    assert instance.eof_sent
    instance.ends()
    await ended(stage, closed=1)
    client = stage.client()
    client.says(b"x" * HIGH_WATER_BYTES)
    client.says(b"y")
    assert not client.reading
    instance = await stage.instance()
    assert instance.got() == b"x" * HIGH_WATER_BYTES + b"y"
    assert client.reading
    instance.breaks()
    await ended(stage, closed=1, instance_reset=1)


async def test_a_connection_is_never_one_of_the_pool(stage_with: SetUp) -> None:
    """Requests and connections may go to the same service: what has carried requests carries nothing else, and the instance of a
    connection may speak before it was asked.
    """
    stage = await stage_with(instances=1)
    asks = stage.client()
    kept = await stage.exchange(asks)
    assert len(stage.pooled()) == 1
    stage.listener = PASSES
    stage.plane.adopt(Snapshot.compile(stage._snapshot()), [stage._policy()])
    client = stage.client()
    (connect,) = stage.network.connects
    assert connect.protocol.may_speak
    instance = await stage.instance()
    client.says(b"x")
    assert (instance.got(), kept.got()) == (b"x", b"")
    for transport in (instance, asks):
        transport.breaks()
    await stage.turn()
    assert ends(stage) == {"instance_reset": 1}
    assert len(stage.pooled()) == 1
    stage.assert_clean()


async def test_another_instance_is_tried_before_anything_was_passed(stage_with: SetUp) -> None:
    """The client notices nothing of a refusal; when nobody accepts, it is reset."""
    stage = await stage_with(listener=PASSES)
    client = stage.client()
    client.says(b"early")
    first = stage.network.connects.pop()
    first.fails()
    await stage.turn()
    (second,) = stage.network.connects
    assert second.address != first.address
    instance = await stage.instance()
    assert instance.got() == b"early"
    client.breaks()
    await ended(stage, client_reset=1)
    client = stage.client()
    for _ in range(2):
        stage.network.connects.pop().fails()
        await stage.turn()
    assert client.reset
    await ended(stage, client_reset=1, connection_refused=1)
    assert stage.failures() == 3


async def test_a_client_that_leaves_before_gives_the_connect_up(stage_with: SetUp) -> None:
    """Nothing is left of either side."""
    stage = await stage_with(listener=PASSES)
    client = stage.client()
    (connect,) = stage.network.connects
    client.breaks()
    await stage.turn()
    assert connect.given_up
    await ended(stage, client_closed=1)


async def test_a_connect_has_its_time(stage_with: SetUp) -> None:
    """Then another instance, and then a reset."""
    stage = await stage_with(listener=PASSES)
    client = stage.client()
    for _ in range(2):
        connect = stage.network.connects.pop()
        await stage.pass_time(2.1)
        assert connect.given_up
    assert client.reset
    await ended(stage, connection_timeout=1)


async def test_who_waits_in_the_queue_gets_the_place_that_comes_free(stage_with: SetUp) -> None:
    """What it has said is kept."""
    stage = await stage_with(
        listener=PASSES, instances=1, max_in_flight=1, queue={"size": 1, "timeout_ms": 1_000}
    )
    client, instance = await passed(stage)
    waits = stage.client()
    waits.says(b"patient")
    assert (stage.network.connects, stage.waiting()) == ([], 1)
    client.breaks()
    await stage.turn()
    await stage.pass_time(0.05)
    other = await stage.instance()
    assert other.got() == b"patient"
    other.breaks()
    await ended(stage, client_reset=1, instance_reset=1)
    assert instance.gone


@pytest.mark.parametrize("first", ["client", "instance"])
async def test_a_failure_is_passed_on_as_a_reset(stage_with: SetUp, first: str) -> None:
    """Whichever side it was, the end is counted as its."""
    stage = await stage_with(listener=PASSES)
    sides = dict(zip(("client", "instance"), await passed(stage), strict=True))
    one = sides.pop(first)
    (other,) = sides.values()
    one.breaks()
    await stage.turn()
    assert other.reset
    await ended(stage, **{f"{first}_reset": 1})


async def test_silence_ends_it_with_a_reset(stage_with: SetUp) -> None:
    """After the idle time of a tunnel; whoever reads must not take that for a clean end."""
    stage = await stage_with(listener=PASSES)
    client, instance = await passed(stage)
    await stage.pass_time(HOUR - 60)
    instance.says(b"alive")
    await stage.pass_time(120)
    assert not client.closing
    await stage.pass_time(HOUR)
    assert client.reset
    assert instance.reset
    await ended(stage, idle_timeout=1)


async def test_last_bytes_that_nobody_takes_have_the_time_for_a_write(stage_with: SetUp) -> None:
    """Then the connection is reset, and that is how it is counted, though both had said all."""
    stage = await stage_with(listener=PASSES)
    client, instance = await passed(stage)
    client.stuck = True
    instance.says(b"last")
    instance.ends()
    client.ends()
    await stage.pass_time(61)
    await stage.pass_time(61)
    assert client.gone
    await ended(stage, write_timeout=1)


async def test_a_drain_gives_it_the_time_of_tunnels_and_resets_it_then(stage_with: SetUp) -> None:
    """It is no idle connection, and no exchange."""
    stage = await stage_with(listener=PASSES)
    client, instance = await passed(stage)
    stage.plane.start_drain()
    await stage.pass_time(2)
    assert not client.closing
    assert not await stage.plane.emptied(0.0, 0.01)
    assert client.reset
    assert instance.reset
    await ended(stage, cut=1)


async def test_http_is_not_looked_at(stage_with: SetUp) -> None:
    """Not even where it looks like an answer that ends."""
    stage = await stage_with(listener=PASSES)
    client, instance = await passed(stage)
    for _ in range(2):
        client.says(REQUEST)
        instance.says(ANSWER)
        assert (instance.got(), client.got()) == (REQUEST, ANSWER)
    client.ends()
    instance.ends()
    await ended(stage, closed=1)
