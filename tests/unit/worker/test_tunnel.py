"""Tunnels: what came early, back-pressure, every way to end, and the two clocks they live by."""

import pytest

from gateway.state.sockets import HIGH_WATER_BYTES
from tests.unit.worker.stage import REQUEST, Stage, Transport

UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
FULL = b"x" * (HIGH_WATER_BYTES + 1)
HOUR = 3_600.0


async def asked(stage: Stage, early: bytes = b"") -> tuple[Transport, Transport]:
    """A client has asked for an upgrade, and the instance has the request."""
    client = stage.client()
    client.says(UPGRADE + early)
    instance = await stage.instance()
    assert instance.got().endswith(b"\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    return client, instance


async def tunnel(stage: Stage) -> tuple[Transport, Transport]:
    """Both ends of a tunnel."""
    client, instance = await asked(stage)
    instance.says(SWITCHING)
    assert client.got() == SWITCHING
    return client, instance


async def ended(stage: Stage, client: Transport, instance: Transport) -> None:
    """Both connections are gone and nothing is left of them."""
    await stage.turn()
    assert client.gone
    assert instance.gone
    assert stage.statuses() == {101: 1}
    assert stage.pooled() == []
    stage.assert_clean()


async def test_bytes_pass_both_ways_as_they_are(stage: Stage) -> None:
    """Each piece is one write to the other side, and the request is counted and in flight meanwhile."""
    client, instance = await tunnel(stage)
    client.says(REQUEST)
    instance.says(SWITCHING)
    assert (instance.got(), client.got()) == (REQUEST, SWITCHING)
    assert stage.in_flight() == 1
    assert stage.statuses() == {101: 1}
    client.breaks()
    await ended(stage, client, instance)


async def test_a_client_that_breaks_while_the_101_is_on_its_way(stage: Stage) -> None:
    """Both happen in one turn, at whose end the client's connection hears of its end: nothing is left of the instance's."""
    client, instance = await asked(stage)
    client.breaks()
    instance.says(SWITCHING)
    assert instance.closing
    await ended(stage, client, instance)


async def test_early_bytes_wait_for_the_101(stage: Stage) -> None:
    """What the client sends before the instance agreed reaches it then, and what comes behind the 101 the client."""
    client, instance = await asked(stage, b"ear")
    client.says(b"ly")
    assert instance.got() == b""
    instance.says(SWITCHING + b"first")
    assert (instance.got(), client.got()) == (b"early", SWITCHING + b"first")
    client.breaks()
    await ended(stage, client, instance)


async def test_too_many_early_bytes_hold_the_client_until_the_101(stage: Stage) -> None:
    """It is not read while more than fits waits, and read again in the tunnel."""
    client, instance = await asked(stage, FULL)
    client.says(b"more")
    assert not client.reading
    instance.says(SWITCHING)
    assert instance.got() == FULL + b"more"
    assert client.reading
    client.breaks()
    await ended(stage, client, instance)


async def test_early_bytes_that_are_not_taken_hold_the_client(stage: Stage) -> None:
    """The client is read again when the instance has taken them."""
    client, instance = await asked(stage, FULL)
    instance.stuck = True
    instance.says(SWITCHING)
    assert not client.reading
    instance.reads_on()
    assert client.reading
    client.breaks()
    await ended(stage, client, instance)


async def test_a_fin_before_the_101_is_passed_on_behind_the_early_bytes(stage: Stage) -> None:
    """The tunnel begins half-closed."""
    client, instance = await asked(stage, b"early")
    client.ends()
    instance.says(SWITCHING)
    assert instance.got() == b"early"
    assert instance.eof_sent
    assert not client.reading
    instance.says(b"answer")
    assert client.got() == SWITCHING + b"answer"
    instance.ends()
    await ended(stage, client, instance)


@pytest.mark.parametrize("first", ["client", "instance"])
async def test_a_half_close_is_carried_over(stage: Stage, first: str) -> None:
    """The other side sees the FIN and may go on; the second FIN ends both connections."""
    ends = dict(zip(("client", "instance"), await tunnel(stage), strict=True))
    one = ends.pop(first)
    (other,) = ends.values()
    one.ends()
    assert other.eof_sent
    assert not one.eof_sent
    other.says(b"more")
    assert one.got() == b"more"
    other.ends()
    await ended(stage, one, other)
    assert not one.reset


@pytest.mark.parametrize("first", ["client", "instance"])
async def test_a_reset_is_carried_over(stage: Stage, first: str) -> None:
    """The other side sees a reset, not a FIN."""
    ends = dict(zip(("client", "instance"), await tunnel(stage), strict=True))
    one = ends.pop(first)
    (other,) = ends.values()
    one.breaks()
    await stage.turn()
    assert other.reset
    await ended(stage, one, other)


@pytest.mark.parametrize("first", ["client", "instance"])
async def test_a_slow_reader_holds_back_the_other_side(stage: Stage, first: str) -> None:
    """No more is read than the write buffer takes; all of it arrives."""
    ends = dict(zip(("client", "instance"), await tunnel(stage), strict=True))
    slow = ends.pop(first)
    (fast,) = ends.values()
    slow.stuck = True
    fast.says(FULL)
    assert not fast.reading
    slow.reads_on()
    assert fast.reading
    fast.says(b"end")
    assert slow.got() == FULL + b"end"
    fast.breaks()
    await ended(stage, slow, fast)


async def test_a_client_that_was_slow_before_the_101_is_so_in_the_tunnel(stage: Stage) -> None:
    """Its buffer is full of the bytes behind the 101: the instance waits until it has taken them."""
    client, instance = await asked(stage)
    client.stuck = True
    instance.says(SWITCHING + FULL)
    assert not instance.reading
    client.reads_on()
    assert instance.reading
    client.breaks()
    await ended(stage, client, instance)


async def test_an_ended_side_is_not_read_again(stage: Stage) -> None:
    """Its FIN would come twice; the last bytes still arrive, behind them the FIN."""
    client, instance = await tunnel(stage)
    instance.stuck = True
    client.says(FULL[:-1])
    client.ends()
    instance.reads_on()
    assert not client.reading
    assert instance.eof_sent
    instance.ends()
    await ended(stage, client, instance)


async def test_nothing_for_the_idle_time_ends_the_tunnel(stage: Stage) -> None:
    """Any byte either way gives it the whole time anew, counted from when it came."""
    client, instance = await tunnel(stage)
    await stage.pass_time(HOUR - 60)
    instance.says(b"alive")
    await stage.pass_time(120)
    assert not client.closing
    await stage.pass_time(HOUR - 240)
    client.says(b"alive")
    await stage.pass_time(HOUR - 1)
    assert not client.closing
    await stage.pass_time(2)
    assert not client.reset
    await ended(stage, client, instance)


async def test_a_reader_that_takes_something_in_the_idle_time_is_not_cut(stage: Stage) -> None:
    """Slow is not dead; one that takes nothing is."""
    client, instance = await tunnel(stage)
    client.stuck = True
    instance.says(FULL)
    await stage.pass_time(HOUR - 1)
    client.takes(1)
    await stage.pass_time(2)
    assert not client.closing
    await stage.pass_time(HOUR + 1)
    await ended(stage, client, instance)


async def test_last_bytes_that_nobody_takes_have_the_time_for_a_write(stage: Stage) -> None:
    """After both FINs a connection closes when its buffer is empty, or when nothing of it was taken for long."""
    client, instance = await tunnel(stage)
    client.stuck = True
    instance.says(b"last")
    instance.ends()
    client.ends()
    await stage.turn()
    assert instance.gone
    assert not client.gone
    assert stage.in_flight() == 1
    await stage.pass_time(59)
    client.takes(1)
    await stage.pass_time(2)
    assert not client.gone
    await stage.pass_time(61)
    await ended(stage, client, instance)


async def test_tunnels_have_their_own_bound_in_a_drain(stage: Stage) -> None:
    """They are not idle connections, and outlive the bound of the exchanges when theirs is longer, or go first."""
    client, instance = await tunnel(stage)
    stage.plane.start_drain()
    await stage.pass_time(1)
    assert not client.closing
    assert not await stage.plane.emptied(0.01, 0.02)
    await ended(stage, client, instance)


@pytest.mark.parametrize(("exchanges", "tunnels"), [(0.0, 60.0), (60.0, 0.0)])
async def test_each_bound_cuts_its_own_kind(stage: Stage, exchanges: float, tunnels: float) -> None:
    """An exchange is reset at its bound, a tunnel ended at its own; the drain goes on for the others."""
    tunnelled, _ = await tunnel(stage)
    busy = stage.client()
    busy.says(REQUEST)
    await stage.instance()
    stage.plane.start_drain()
    end = stage.loop.create_task(stage.plane.emptied(exchanges, tunnels))
    await stage.turn()
    assert (busy.gone, tunnelled.gone) == (exchanges == 0.0, tunnels == 0.0)
    assert not end.done()
    for transport in (busy, tunnelled):
        if not transport.gone:
            transport.breaks()
    assert not await end
    stage.assert_clean()


async def test_a_bug_in_a_tunnel_costs_that_tunnel(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The loop's handler finds the end that failed, and both connections go."""
    client, instance = await tunnel(stage)
    context = {"message": "failed", "exception": RuntimeError("bug"), "protocol": client.protocol}
    stage.plane.faults.handle(stage.loop._loop, context)
    assert "bug" in caplog.text
    assert stage.counter("faults") == 1
    await ended(stage, client, instance)
