"""Copies for mirrors: the request comes first, what a copy takes has bounds, and nothing of it is left."""

import pytest

from gateway.clock import NANOSECONDS
from gateway.state.control import Stocks
from gateway.worker import mirror
from gateway.worker.mirror import Copy
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, Transport, answer, post

COPIES_ROW = 3
MIRRORED = {"mirror": {"service": 0, "share": 100, "row": COPIES_ROW}}
"""The service is its own mirror: of two instances the first gets the request, and the other one the copy."""
PIECE = bytes(64 * 1024)


async def begun(stage: Stage, request: bytes = REQUEST) -> tuple[Transport, Transport, Transport]:
    """A client, and the instances with its request and with the copy."""
    client = stage.client()
    client.says(request)
    assert len(stage.network.connects) == 1, "the copy waits for its turn"
    return client, await stage.instance(), await stage.instance()


async def test_a_copy_has_the_same_bytes_and_an_end_of_its_own(stage_with: SetUp) -> None:
    """Neither waits for the other; both connections serve again."""
    stage = await stage_with(route=MIRRORED)
    client, instance, shadow = await begun(stage, post(9) + b"abc")
    client.says(b"def")
    client.says(b"ghi")
    sent = instance.got()
    assert (sent.endswith(b"\r\n\r\nabcdefghi"), shadow.got()) == (True, sent)
    instance.says(ANSWER)
    assert client.got().endswith(b"ok")
    assert (stage.in_flight(), len(stage.plane.copies)) == (1, 1)
    client.ends()
    await stage.turn()
    shadow.says(answer(200_000) + PIECE)
    assert shadow.reading
    shadow.says(bytes(200_000 - len(PIECE)))
    assert (stage.statuses(), stage.statuses(COPIES_ROW)) == ({200: 1}, {200: 1})
    assert len(stage.pooled()) == 2
    stage.assert_clean()


STRICT = {
    "name": "l", "row": 0, "tokens": 1, "period_ns": NANOSECONDS, "burst": 10, "key": ["route"],
    "shared": {"seed": 7, "low": 0},
}  # fmt: skip


@pytest.mark.parametrize("tokens", [1, 0])
async def test_who_waits_for_a_token_is_copied_when_it_has_it(stage_with: SetUp, tokens: int) -> None:
    """All that was held back meanwhile, and all that comes after that; what is refused has no copy."""
    stage = await stage_with(route=MIRRORED, limits=(STRICT,))
    stocks = Stocks(stage.segment)
    stocks.set_credit(0, 0, waits=True)
    client = stage.client()
    client.says(post(9) + b"abc")
    client.says(b"def")
    await stage.turn()
    assert (stage.network.connects, len(stage.plane.copies)) == ([], 0)
    [(key, _)] = stocks.wanted(9)
    until = stage.now + 3 * NANOSECONDS
    stocks.settle(key, tokens, credit=tokens > 0, quiet=False, until=until, now=stage.now)
    stage.plane.waiting.go_on()
    if not tokens:
        await stage.turn()
        assert (client.got()[9:12], stage.network.connects, stage.statuses(COPIES_ROW)) == (b"429", [], {})
        return
    instance, shadow = await stage.instance(), await stage.instance()
    client.says(b"ghi")
    sent = instance.got()
    assert (sent.endswith(b"\r\n\r\nabcdefghi"), shadow.got()) == (True, sent)
    for transport in (instance, shadow):
        transport.says(ANSWER)
    assert client.got().endswith(b"ok")
    assert stage.statuses(COPIES_ROW) == {200: 1}
    client.ends()
    await stage.turn()
    stage.assert_clean()


async def test_a_copy_goes_over_a_kept_connection(stage_with: SetUp) -> None:
    """And no more than its own answer comes back."""
    stage = await stage_with(route=MIRRORED)
    client, *instances = await begun(stage)
    for transport in instances:
        transport.says(ANSWER)
    for _ in range(3):
        client.got()
        client.says(REQUEST)
        await stage.turn()
        assert not stage.network.connects
        for transport in instances:
            assert transport.got().count(b"GET / ") >= 1
            transport.says(ANSWER)
        assert client.got().count(b"HTTP/1.1 200") == 1
    assert stage.statuses(COPIES_ROW) == {200: 4}


@pytest.mark.parametrize("connected", [True, False])
async def test_what_waits_for_a_mirror_has_a_bound(stage_with: SetUp, *, connected: bool) -> None:
    """Before there is a connection as well as behind one that takes nothing; the request goes on."""
    stage = await stage_with(route=MIRRORED)
    client = stage.client()
    client.says(post(100 * len(PIECE)))
    instance = await stage.instance()
    if connected:
        shadow = await stage.instance()
        shadow.stuck = True
    pieces = mirror.MOST_WAITING_BYTES // len(PIECE)
    for _ in range(pieces - 1):
        client.says(PIECE)
    assert 0 < stage.plane.copies.bytes <= mirror.MOST_WAITING_BYTES
    assert stage.in_flight() == 2
    for _ in range(100 - pieces + 1):
        client.says(PIECE)
    await stage.turn()
    assert (len(stage.plane.copies), stage.plane.copies.bytes, stage.in_flight()) == (0, 0, 1)
    assert shadow.gone if connected else stage.network.connects[0].given_up
    instance.says(ANSWER)
    assert client.got().endswith(b"ok")
    assert stage.counter("mirrors_dropped_slow") == 1
    assert stage.statuses(COPIES_ROW) == {499: 1}


async def test_all_copies_together_have_a_bound(stage_with: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes beyond it is cut off; what is taken makes room."""
    monkeypatch.setattr(mirror, "MOST_BYTES", 3 * len(PIECE))
    stage = await stage_with(route=MIRRORED)
    shadows = []
    for _ in range(3):
        client, _, shadow = await begun(stage, post(2 * len(PIECE)))
        shadow.stuck = True
        client.says(PIECE)
        shadows.append((client, shadow))
    first, last = shadows[0], shadows[-1]
    last[0].says(PIECE)
    assert (stage.counter("mirrors_dropped_slow"), len(stage.plane.copies)) == (1, 2)
    first[1].reads_on()
    shadows[1][0].says(PIECE)
    assert (stage.counter("mirrors_dropped_slow"), len(stage.plane.copies)) == (1, 2)


async def test_a_mirror_that_takes_nothing_in_its_time_is_left(stage_with: SetUp) -> None:
    """As any instance is, by the time for a write; one that takes something is not."""
    stage = await stage_with(route=MIRRORED)
    client, instance, shadow = await begun(stage, post(2 * len(PIECE)))
    shadow.stuck = True
    client.says(PIECE)
    client.says(PIECE)
    instance.says(ANSWER)
    shadow.takes(1_000)
    await stage.pass_time(59)
    await stage.pass_time(2)
    assert stage.in_flight() == 1
    await stage.pass_time(61)
    await stage.pass_time(61)
    assert (stage.in_flight(), stage.statuses(COPIES_ROW)) == (0, {504: 1})


async def test_a_bug_in_a_copy_costs_the_copy(stage_with: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request is in the middle of its body, and goes on."""
    stage = await stage_with(route=MIRRORED)
    client, instance, shadow = await begun(stage, post(6) + b"abc")

    def fail(_self: Copy, _piece: bytes) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Copy, "_go_on", fail)
    client.says(b"def")
    await stage.turn()
    assert (stage.counter("faults"), shadow.gone, stage.in_flight()) == (1, True, 1)
    instance.says(ANSWER)
    assert client.got().endswith(b"ok")
    client.ends()
    await stage.turn()
    stage.assert_clean()


@pytest.mark.parametrize("connected", [True, False])
async def test_copies_give_way(stage_with: SetUp, *, connected: bool) -> None:
    """The oldest first; their requests do not notice."""
    stage = await stage_with(route=MIRRORED)
    client = stage.client()
    client.says(post(6) + b"abc")
    instance = await stage.instance()
    if connected:
        await stage.instance()
    stage.plane.copies.give_way(5)
    client.says(b"def")
    instance.says(ANSWER)
    assert client.got().endswith(b"ok")
    assert stage.counter("mirrors_dropped_incomplete") == 1
    client.ends()
    await stage.turn()
    stage.assert_clean()


async def test_a_copy_is_cut_off_before_its_turn(stage_with: SetUp) -> None:
    """A client that leaves at once: nothing is connected to for it."""
    stage = await stage_with(route=MIRRORED)
    client = stage.client()
    client.says(post(6) + b"abc")
    client.breaks()
    await stage.turn()
    assert len(stage.network.connects) <= 2
    assert all(connect.over for connect in stage.network.connects)
    assert stage.counter("mirrors_dropped_incomplete") == 1
    stage.assert_clean()
