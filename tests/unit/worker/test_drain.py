"""The end of a worker's data plane, and its clock."""

import asyncio

import pytest

from gateway.clock import NANOSECONDS
from gateway.worker.plane import ENDED_A_TURN, LaneLostError
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, Transport, answer


async def emptied(stage: Stage, exchanges: float = 5.0, tunnels: float = 5.0) -> asyncio.Task[bool]:
    """Waits for the end in the background."""
    task = asyncio.get_running_loop().create_task(stage.plane.emptied(exchanges, tunnels))
    await stage.turn()
    return task


async def test_without_connections_it_is_over_at_once(stage: Stage) -> None:
    """Nothing to wait for."""
    stage.plane.start_drain()
    assert await stage.plane.emptied(0.0, 0.0)


async def test_idle_connections_are_closed_and_active_ones_finish(stage: Stage) -> None:
    """The answer to what is under way announces the close, and is followed by it; idle clients have a second."""
    idle, active = stage.client(), stage.client()
    active.says(REQUEST)
    instance = await stage.instance()
    await stage.exchange(idle)
    stage.plane.start_drain()
    end = await emptied(stage)
    await stage.pass_time(0.9)
    assert not idle.closing
    await stage.pass_time(0.1)
    assert idle.gone
    assert not end.done()
    instance.says(ANSWER)
    assert b"connection: close" in active.got().lower()
    active.ends()
    assert await end
    stage.assert_clean()


async def test_a_request_that_crosses_the_drain_is_answered(stage_with: SetUp) -> None:
    """A kept client that asks soon after the drain began gets its answer, and is told that it was the last."""
    stage = await stage_with(max_idle=0)
    client = stage.client()
    await stage.exchange(client)
    stage.plane.start_drain()
    end = await emptied(stage)
    await stage.pass_time(0.9)
    client.says(REQUEST)
    instance = await stage.instance()
    instance.says(ANSWER)
    assert b"connection: close" in client.got().lower()
    assert client.eof_sent
    assert not client.closing, "what it has pipelined meanwhile would reset its answer"
    client.says(REQUEST)
    await stage.pass_time(1.5)
    assert not end.done()
    await stage.pass_time(0.5)
    assert await end
    assert not client.reset


async def test_at_the_end_of_its_time_a_drain_waits_for_no_reader(stage: Stage) -> None:
    """A client that was answered, and keeps its connection, is closed and not reset."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    stage.plane.start_drain()
    instance.says(ANSWER)
    assert await stage.plane.emptied(0.0, 0.0)
    assert client.gone
    assert not client.reset


async def test_what_becomes_idle_during_the_drain_is_closed_by_the_tick(stage: Stage) -> None:
    """An answer whose head went out before the drain did not announce the close; the connection ends all the same."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    instance.says(answer(4) + b"ab")
    stage.plane.start_drain()
    end = await emptied(stage)
    instance.says(b"cd")
    await stage.turn()
    assert not client.closing
    await stage.pass_time(1)
    assert client.gone
    assert await end


async def test_a_drain_shorter_than_the_grace_cuts_nobody_who_is_idle(stage: Stage) -> None:
    """At its end idle connections are closed, not reset."""
    client = stage.client()
    await stage.exchange(client)
    stage.plane.start_drain()
    assert await stage.plane.emptied(0.0, 0.0)
    assert client.gone
    assert not client.reset


async def test_a_newcomer_has_time_for_its_request(stage: Stage) -> None:
    """A connection that was accepted during the drain is served; one that says nothing is closed after a second."""
    stage.plane.start_drain()
    talking, silent = stage.client(), stage.client()
    end = await emptied(stage)
    await stage.pass_time(0.05)
    assert not silent.closing
    talking.says(REQUEST)
    instance = await stage.instance()
    instance.says(ANSWER)
    assert b"connection: close" in talking.got().lower()
    talking.ends()
    for timer in stage.loop.timers:
        timer()
    await stage.pass_time(1)
    assert silent.gone
    assert await end
    stage.assert_clean()


async def test_a_crowd_of_idle_clients_is_closed_in_turns(stage: Stage) -> None:
    """The others have theirs in between; one that has not taken all it was sent is closed once."""
    slow = stage.client()
    slow.stuck = True
    await stage.exchange(slow)
    clients = [stage.client() for _ in range(2 * ENDED_A_TURN)]
    stage.plane.start_drain()
    stage.now += 2 * NANOSECONDS
    stage.plane.tick()
    assert slow.closing
    assert sum(client.closing for client in clients) == ENDED_A_TURN - 1
    stage.plane.tick()
    assert sum(client.closing for client in clients) == ENDED_A_TURN - 1, (
        "one tick has them all closed, in its turns"
    )
    await stage.turn()
    assert all(client.gone for client in clients)
    assert not slow.gone


async def test_a_newcomer_after_the_last_one_is_waited_for(stage: Stage) -> None:
    """That there was no connection for a moment is not the end."""
    first = stage.client()
    first.says(REQUEST)
    instance = await stage.instance()
    stage.plane.start_drain()
    first.breaks()
    await stage.turn()
    assert instance.gone
    second = stage.client()
    second.says(REQUEST)
    instance = await stage.instance()
    end = await emptied(stage)
    assert not end.done()
    instance.says(ANSWER)
    second.ends()
    assert await end


async def test_what_is_left_at_the_end_is_reset_and_counted(stage: Stage) -> None:
    """The drain is bounded, and a client whose answer is cut notices."""
    clients: list[Transport] = []
    for _ in range(2):
        clients.append(stage.client())
        clients[-1].says(REQUEST)
        instance = await stage.instance()
    instance.says(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    stage.plane.start_drain()
    assert not await stage.plane.emptied(0.0, 0.0)
    assert all(client.reset and client.gone for client in clients)
    assert stage.statuses() == {200: 1, 499: 1}
    stage.assert_clean()


async def test_a_worker_whose_lane_was_given_away_stops(stage: Stage) -> None:
    """The clock raises as soon as the lane is another's."""
    stage.plane.tick()
    stage.control.close_lane(0)
    stage.control.open_lane(0, 2)
    with pytest.raises(LaneLostError):
        await stage.plane.run()


async def test_a_tick_writes_the_heartbeat_and_the_epoch(stage: Stage) -> None:
    """The supervisor sees which snapshot is in force, and when the worker was alive."""
    await stage.pass_time(1)
    assert stage.view.lanes() == [(0, 1, 1, stage.now)]
