"""How a client's connection ends: half-closes, lingering, unread last words, resets."""

# mypy: disable-error-code="unreachable"
# What an assertion has narrowed changes with the next call.

import pytest

from gateway.clock import NANOSECONDS
from gateway.worker.plane import ENDED_A_TURN
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, answer, post

LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def test_a_client_that_has_said_all_gets_its_answer(stage: Stage) -> None:
    """A FIN after a whole request is a half-close: the answer comes, and then our FIN."""
    client = stage.client()
    client.says(REQUEST)
    client.ends()
    instance = await stage.instance()
    instance.says(ANSWER)
    await stage.turn()
    assert client.got().endswith(b"ok")
    assert client.gone
    assert not client.reset
    stage.assert_clean()


async def test_a_half_closed_client_is_not_read_again(stage: Stage) -> None:
    """Reading on after a FIN would only bring it again, as if the client had left twice."""
    client = stage.client()
    client.says(post(100_000) + bytes(100_000))
    client.ends()
    await stage.turn()
    instance = stage.network.connects.pop().succeeds(stuck=True)
    await stage.turn()
    instance.reads_on()
    assert client.fins == 1
    instance.says(ANSWER)
    await stage.turn()
    assert client.got().endswith(b"ok")
    assert stage.statuses() == {200: 1}


async def test_no_answer_begins_in_time_for_a_half_closed_client(stage: Stage) -> None:
    """A client that has sent its FIN waits a second for the answer to begin; then its exchange is given up."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    client.ends()
    await stage.pass_time(1.1)
    assert client.gone
    assert instance.gone
    assert stage.statuses() == {499: 1}
    stage.assert_clean()


async def test_a_crowd_that_is_out_of_time_is_told_in_turns(stage: Stage) -> None:
    """Others have theirs in between, and who finishes its head by then is not out of time; a tick does not hurry them."""
    clients = [stage.client() for _ in range(2 * ENDED_A_TURN)]
    for client in clients:
        client.says(REQUEST[:-2])
    stage.now += 11 * NANOSECONDS
    stage.plane.tick()
    stage.plane.tick()
    assert [bool(client.sent) for client in clients] == [True] * ENDED_A_TURN + [False] * ENDED_A_TURN
    clients[-1].says(REQUEST[-2:])
    await stage.turn()
    assert all(client.got().startswith(b"HTTP/1.1 408 ") for client in clients[:-1])
    assert not clients[-1].sent
    assert stage.in_flight() == 1
    assert stage.lane.expired(stage.now, 1) == []


async def test_a_client_that_leaves_in_the_middle_of_its_request(stage: Stage) -> None:
    """A FIN within a body ends the exchange at once."""
    client = stage.client()
    client.says(post(10) + b"ab")
    instance = await stage.instance()
    client.ends()
    await stage.turn()
    assert client.gone
    assert instance.gone
    stage.assert_clean()


async def test_an_idle_client_leaves(stage: Stage) -> None:
    """A FIN between two requests is answered with ours."""
    client = stage.client()
    await stage.exchange(client)
    client.ends()
    await stage.turn()
    assert client.gone
    assert len(stage.pooled()) == 1
    stage.assert_clean()


async def test_the_last_answer_is_followed_by_the_end(stage: Stage) -> None:
    """A client that asked for the close gets it, and the instance's connection is kept."""
    client = stage.client()
    client.says(LAST)
    instance = await stage.instance()
    instance.says(ANSWER)
    await stage.turn()
    assert client.got().endswith(b"ok")
    assert client.gone
    assert len(stage.pooled()) == 1
    stage.assert_clean()


async def test_a_client_that_still_sends_is_listened_to(stage: Stage) -> None:
    """After a refusal before the end of the body, what still comes is read and forgotten until the client's FIN."""
    client = stage.client()
    client.says(b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    assert client.got().startswith(b"HTTP/1.1 404 ")
    assert client.eof_sent
    assert client.reading
    client.says(bytes(500_000))
    client.ends()
    await stage.turn()
    assert client.gone
    assert not client.reset
    stage.assert_clean()


async def test_a_client_that_sends_and_does_not_read_is_listened_to(stage: Stage) -> None:
    """Unread last words stop nobody from forgetting what still comes: it costs no memory."""
    client = stage.client()
    client.says(post(1_000_000))
    instance = await stage.instance()
    client.stuck = True
    instance.says(answer(100_000) + bytes(100_000))
    assert client.eof_sent
    assert client.reading


async def test_listening_has_an_end(stage: Stage) -> None:
    """A client that goes on sending after the last answer is closed on two seconds later."""
    client = stage.client()
    client.says(b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    await stage.pass_time(1.9)
    client.says(bytes(1000))
    assert not client.gone
    await stage.pass_time(0.2)
    assert client.gone
    stage.assert_clean()


async def test_a_client_paused_for_its_instance_is_listened_to_after_the_last_answer(stage: Stage) -> None:
    """A refusal in the middle of a body that the instance did not take resumes the reading."""
    client = stage.client()
    client.says(post(1_000_000))
    instance = await stage.instance()
    instance.stuck = True
    client.says(bytes(100_000))
    assert not client.reading
    instance.breaks()
    await stage.turn()
    assert client.got().startswith(b"HTTP/1.1 502 ")
    assert client.reading


@pytest.mark.parametrize("takes_some", [True, False])
async def test_a_last_answer_that_is_not_read_does_not_hold_the_connection(
    stage: Stage, *, takes_some: bool
) -> None:
    """A close waits for the client to read as long as it reads at all, and no longer."""
    client = stage.client()
    client.says(LAST)
    instance = await stage.instance()
    client.stuck = True
    instance.says(answer(50_000) + bytes(50_000))
    await stage.pass_time(3)
    assert client.closing
    assert not client.gone
    if takes_some:
        client.takes(10_000)
        await stage.pass_time(61)
        assert not client.gone
        client.reads_on()
        await stage.turn()
    else:
        await stage.pass_time(61)
    assert client.gone
    assert client.reset != takes_some
    stage.assert_clean()


async def test_an_idle_connection_ends_after_its_time(stage: Stage) -> None:
    """A keep-alive connection is closed without a word after its time-out."""
    client = stage.client()
    await stage.exchange(client)
    await stage.pass_time(74)
    assert not client.closing
    await stage.pass_time(2)
    assert client.gone
    assert not client.sent
    stage.assert_clean()


async def test_an_idle_instance_connection_ends_before_the_instance_ends_it(stage: Stage) -> None:
    """A pooled connection is closed after the service's keep-alive time."""
    client = stage.client()
    instance = await stage.exchange(client)
    for _ in range(20):
        await stage.pass_time(54 / 20)
    assert not instance.gone
    for _ in range(20):
        await stage.pass_time(2 / 20)
    assert instance.gone
    assert not stage.pooled()


async def test_an_instance_that_ends_an_idle_connection(stage: Stage) -> None:
    """What a pooled connection hears, a FIN or a word, ends it."""
    client = stage.client()
    for hears in ("ends", "breaks", "says"):
        instance = await stage.exchange(client)
        instance.says(b"HTTP/1.1 408 Late\r\n\r\n") if hears == "says" else getattr(instance, hears)()
        await stage.turn()
        assert instance.gone
        assert not stage.pooled()
    assert client.reading


async def test_a_close_delimited_answer_ends_with_the_connection(stage: Stage) -> None:
    """The instance's FIN ends the answer in order; its reset does not."""
    for clean in (True, False):
        client = stage.client()
        client.says(REQUEST)
        instance = await stage.instance()
        instance.says(b"HTTP/1.1 200 OK\r\n\r\nab")
        instance.ends() if clean else instance.breaks()
        await stage.turn()
        assert client.reset != clean
        assert client.got().endswith(b"0\r\n\r\n") == clean


async def test_a_service_that_keeps_nothing(stage_with: SetUp) -> None:
    """``max_idle = 0`` closes the instance's connection after every exchange."""
    stage = await stage_with(max_idle=0)
    client = stage.client()
    instance = await stage.exchange(client)
    await stage.turn()
    assert instance.gone
    assert not stage.pooled()
    assert client.reading
