"""An exchange that is given up: by its client, by a deadline, or by a bug, in every phase it can be in."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.unit.worker.stage import REQUEST, Stage, Transport, answer, post

Phase = Callable[[Stage, Transport], Awaitable[Transport | None]]


async def connect(stage: Stage, client: Transport) -> None:
    """No connection to the instance yet."""
    client.says(REQUEST)
    await stage.turn()
    assert len(stage.network.connects) == 1


async def back_off(stage: Stage, client: Transport) -> Transport:
    """Two tries have failed, and the next one shall not come at once."""
    client.says(REQUEST)
    for _ in range(2):
        instance = await stage.instance()
        instance.breaks()
        await stage.turn()
    assert not stage.network.connects
    return instance


async def write_head(stage: Stage, client: Transport) -> Transport:
    """The head is written, the body is not here."""
    client.says(post(10))
    return await stage.instance()


async def write_body(stage: Stage, client: Transport) -> Transport:
    """Some of the body is written."""
    client.says(post(10) + b"ab")
    return await stage.instance()


async def write_stuck(stage: Stage, client: Transport) -> Transport:
    """The instance does not take the body, and the client is not read."""
    client.says(post(10_000_000))
    instance = await stage.instance()
    instance.stuck = True
    client.says(bytes(100_000))
    assert not client.reading
    return instance


async def read_head(stage: Stage, client: Transport) -> Transport:
    """The request is written, the answer has not begun."""
    client.says(REQUEST)
    return await stage.instance()


async def read_part_of_head(stage: Stage, client: Transport) -> Transport:
    """The answer's head is not complete."""
    instance = await read_head(stage, client)
    instance.says(b"HTTP/1.1 200")
    return instance


async def read_body(stage: Stage, client: Transport) -> Transport:
    """Some of the answer has reached the client."""
    instance = await read_head(stage, client)
    instance.says(answer(10) + b"ab")
    return instance


async def read_stuck(stage: Stage, client: Transport) -> Transport:
    """The client does not take the answer, and the instance is not read."""
    instance = await read_head(stage, client)
    client.stuck = True
    instance.says(answer(10_000_000) + bytes(100_000))
    assert not instance.reading
    return instance


CONNECTING = [connect, back_off]
WRITING = [write_head, write_body, write_stuck, read_head, read_part_of_head]
BEGUN = [read_body, read_stuck]
PHASES: list[Phase] = [*CONNECTING, *WRITING, *BEGUN]
in_every_phase = pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)


async def assert_given_up(stage: Stage, instance: Transport | None) -> None:
    """Nothing of the exchange is left, on either side."""
    await stage.turn()
    await stage.pass_back_off()
    stage.assert_clean()
    assert all(connect.over for connect in stage.network.connects)
    assert not stage.pooled(), "what was given up is not kept"
    assert instance is None or instance.gone
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "ClientConnection" in repr(task)]


@in_every_phase
async def test_the_client_resets(stage: Stage, phase: Phase) -> None:
    """A client that is gone takes its exchange with it; it is counted once."""
    client = stage.client()
    instance = await phase(stage, client)
    client.breaks()
    await assert_given_up(stage, instance)
    assert stage.statuses() == ({200: 1} if phase in BEGUN else {499: 1})


@in_every_phase
async def test_the_exchange_is_broken_off(stage: Stage, phase: Phase) -> None:
    """What a fault or the end of a drain breaks off leaves nothing behind either."""
    client = stage.client()
    instance = await phase(stage, client)
    client.protocol.break_off()  # type: ignore[union-attr]
    await assert_given_up(stage, instance)
    assert client.reset


@in_every_phase
async def test_the_deadlines_pass(stage: Stage, phase: Phase) -> None:
    """Whatever is waited for has an end: after all deadlines the client has an answer, a reset or a close."""
    client = stage.client()
    instance = await phase(stage, client)
    for _ in range(10):
        await stage.pass_time(100)
    await assert_given_up(stage, instance)
    assert client.gone
    assert client.reset == (phase in BEGUN)


@pytest.mark.parametrize("phase", WRITING, ids=lambda phase: phase.__name__)
async def test_the_instance_resets(stage: Stage, phase: Phase) -> None:
    """An instance that is gone leaves no paused client, and no hold on its place."""
    client = stage.client()
    instance = await phase(stage, client)
    assert instance is not None
    instance.breaks()
    await stage.turn()
    assert client.reading
    for attempt in stage.network.connects:
        attempt.fails()
    await stage.turn()
    assert stage.in_flight() == 0
    assert b" 502 " in client.got()


async def test_a_connect_deadline_cancels_the_connect(stage: Stage) -> None:
    """An instance that does not answer the connect in time is left for the next one."""
    client = stage.client()
    client.says(REQUEST)
    await stage.turn()
    first = stage.network.connects.pop()
    await stage.pass_time(1.9)
    assert not first.over
    await stage.pass_time(0.2)
    assert first.given_up
    instance = await stage.instance()
    assert instance.got().startswith(b"GET ")
    assert stage.in_flight() == 1


async def test_no_answer_in_time_is_told(stage: Stage) -> None:
    """An instance that takes a request and does not answer: 504."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    await stage.pass_time(39)
    assert not client.sent
    await stage.pass_time(2)
    assert client.got().startswith(b"HTTP/1.1 504 ")
    assert instance.gone
    assert client.reading
