"""Slow peers: who is paused, who goes on, and that nobody stays paused."""

# mypy: disable-error-code="unreachable"
# What an assertion has narrowed changes with the next call.

import pytest

from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, answer, post, put

MUCH = bytes(100_000)
FULL = 64 * 1024 // len(REQUEST) + 1
"""The smallest number of pipelined requests that is too much."""


async def test_a_slow_client_pauses_its_instance(stage: Stage) -> None:
    """Above the high-water mark the instance is not read; below the low-water mark it is."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    client.stuck = True
    instance.says(answer(200_000) + bytes(60_000))
    assert instance.reading
    instance.says(bytes(10_000))
    assert not instance.reading
    client.takes(30_000)
    assert not instance.reading
    client.takes(30_000)
    assert instance.reading
    client.reads_on()
    instance.says(bytes(130_000))
    assert len(stage.pooled()) == 1


async def test_a_slow_instance_pauses_its_client(stage: Stage) -> None:
    """The other direction keeps the same marks."""
    client = stage.client()
    client.says(post(200_000))
    instance = await stage.instance()
    instance.stuck = True
    client.says(bytes(60_000))
    assert client.reading
    client.says(bytes(10_000))
    assert not client.reading
    instance.takes(50_000)
    assert not client.reading
    instance.takes(10_000)
    assert client.reading
    client.says(bytes(60_000))
    assert not client.reading
    instance.reads_on()
    assert client.reading


async def test_of_a_large_piece_only_what_is_unsent_stays(stage: Stage) -> None:
    """Nothing comes on top of its end."""
    client = stage.client()
    client.says(post(1_000_000))
    instance = await stage.instance()
    for one, other in ((client, instance), (instance, client)):
        if one is instance:
            one.says(answer(1_000_000))
        other.room = 100_000
        one.says(MUCH + MUCH[:50_000])
        assert other.unsent == 50_000
        assert not one.reading
        other.takes(49_999)
        assert not one.reading
        other.takes(1)
        assert one.reading
        other.room = None
    assert client.sent.endswith(MUCH)
    assert len(instance.got()) > 150_000


async def test_a_large_piece_stays_in_its_order(stage: Stage) -> None:
    """What waits already goes first."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    client.stuck = True
    instance.says(answer(200_000) + b"1")
    client.stuck = False
    instance.says(b"2" * 100_000)
    assert client.got().endswith(b"\r\n\r\n1" + b"2" * 100_000)


async def test_a_pooled_connection_is_never_paused(stage_with: SetUp) -> None:
    """A client that does not take the last piece of an answer stops itself, not the connection it was served by."""
    stage = await stage_with(instances=1)
    slow, other = stage.client(), stage.client()
    slow.says(REQUEST)
    instance = await stage.instance()
    slow.stuck = True
    instance.says(answer(100_000) + MUCH)
    assert stage.pooled()
    assert instance.reading
    assert not slow.reading
    instance.got()
    other.says(REQUEST)
    instance.says(ANSWER)
    assert other.got().endswith(b"ok")
    slow.reads_on()
    assert slow.reading
    slow.says(REQUEST)
    assert instance.got().startswith(b"GET ")


async def test_a_client_that_never_reads_gets_no_more_answers(stage_with: SetUp) -> None:
    """Pipelined requests wait while the answers before them are not taken: memory stays bounded."""
    stage = await stage_with(instances=1)
    client = stage.client()
    client.stuck = True
    client.says(REQUEST * 20)
    instance = await stage.instance()
    answered = 0
    while instance.got():
        instance.says(answer(50_000) + bytes(50_000))
        answered += 1
        await stage.turn()
    assert answered == 2
    assert not client.reading
    client.reads_on()
    await stage.turn()
    assert instance.got().startswith(b"GET "), "it is taken up where it stopped"


async def test_replies_of_our_own_stop_too(stage: Stage) -> None:
    """A flood of requests that no instance sees is answered only as far as the answers are read."""
    client = stage.client()
    client.stuck = True
    client.says(b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n" * 5000)
    for _ in range(200):
        await stage.turn()
    assert client.unsent < 70_000
    assert not client.reading


@pytest.mark.parametrize("unsent", [20_000, 100_000])
async def test_an_early_answer_leaves_no_half_sent_request_in_the_pool(stage: Stage, unsent: int) -> None:
    """An answer that overtakes its request costs the instance's connection, which has unsent bytes."""
    client = stage.client()
    client.says(post(unsent))
    instance = await stage.instance()
    instance.stuck = True
    client.says(bytes(unsent // 2))
    client.says(bytes(unsent // 2))
    assert client.reading == (unsent < 64 * 1024)
    instance.says(ANSWER)
    await stage.turn()
    assert instance.gone
    assert not stage.pooled()
    assert client.reading
    assert client.got().endswith(b"ok")


async def test_a_held_client_is_read_again(stage_with: SetUp) -> None:
    """Too much pipelined stops the reading until the exchange has ended and less is left, however that comes."""
    for ending in ("answer", "loss"):
        stage = await stage_with(instances=1, tries=0)
        client = stage.client()
        client.says(REQUEST)
        instance = await stage.instance()
        client.says(REQUEST * FULL)
        assert not client.reading
        instance.says(ANSWER) if ending == "answer" else instance.breaks()
        assert not client.reading
        await stage.turn()
        assert client.reading


async def test_pipelined_requests_are_bounded_over_many_exchanges(stage_with: SetUp) -> None:
    """What one exchange takes up makes room for no more than that: a flood waits in the kernel."""
    stage = await stage_with(instances=1)
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    client.says(REQUEST * (FULL + 100))
    for _ in range(100):
        instance.says(ANSWER)
        assert not client.reading
        await stage.turn()
    instance.says(ANSWER)
    await stage.turn()
    assert client.reading


async def test_a_held_client_stays_held_when_the_instance_takes_more(stage: Stage) -> None:
    """Two reasons not to read are two: the end of one leaves the other."""
    client = stage.client()
    client.says(post(100_000))
    instance = await stage.instance()
    instance.stuck = True
    client.says(MUCH + REQUEST * (FULL - 1))
    client.protocol.data_received(REQUEST)  # type: ignore[union-attr]
    assert not client.reading
    instance.reads_on()
    assert not client.reading
    instance.says(ANSWER)
    await stage.turn()
    assert client.reading


async def test_a_large_request_waits_for_its_connection(stage: Stage) -> None:
    """While there is no connection, only so much is taken from the client; with it, all goes on."""
    client = stage.client()
    client.says(post(300_000) + bytes(60_000))
    assert client.reading
    client.says(bytes(60_000))
    assert not client.reading
    instance = await stage.instance()
    assert client.reading
    client.says(bytes(180_000))
    assert instance.got().endswith(bytes(300_000))


async def test_a_connection_that_is_full_at_once_keeps_the_client_paused(stage: Stage) -> None:
    """What was held back may already be more than the instance takes."""
    client = stage.client()
    client.says(post(300_000) + bytes(60_000))
    client.says(bytes(60_000))
    await stage.turn()
    instance = stage.network.connects.pop().succeeds(stuck=True)
    await stage.turn()
    assert not client.reading
    instance.reads_on()
    assert client.reading


async def test_a_slow_client_has_time_as_long_as_it_takes_something(stage: Stage) -> None:
    """The write time-out is for a client that takes nothing at all: slow ones are not cut off."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    client.stuck = True
    instance.says(answer(200_000) + MUCH)
    for _ in range(5):
        client.takes(1000)
        await stage.pass_time(61)
        assert not client.closing
    await stage.pass_time(61)
    assert client.reset
    assert instance.gone


async def test_what_the_kernel_sends_on_counts_as_taken(stage: Stage) -> None:
    """A slow reader empties the kernel's buffer long before the kernel takes more of ours."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    client.stuck, client.in_kernel = True, 1_000_000
    instance.says(answer(200_000) + MUCH)
    for _ in range(5):
        client.in_kernel -= 1
        await stage.pass_time(61)
        assert not client.closing
    await stage.pass_time(61)
    assert client.reset


@pytest.mark.parametrize(("bytes_taken", "kept"), [(30_000, True), (29_999, False)])
async def test_a_reader_has_a_rate_to_keep(stage_with: SetUp, bytes_taken: int, *, kept: bool) -> None:
    """A client that takes an answer more slowly than is asked of it does not hold an instance for ever."""
    stage = await stage_with(listener={"min_bytes_per_second": 500})
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    client.stuck = True
    instance.says(answer(200_000) + MUCH)
    client.takes(bytes_taken)
    await stage.pass_time(60)
    assert client.reset is not kept
    assert instance.gone is not kept


async def test_a_slow_instance_has_time_as_long_as_it_takes_something(stage: Stage) -> None:
    """The write time-out is for one that takes nothing at all, of our buffer or of the kernel's."""
    client = stage.client()
    client.says(post(300_000))
    instance = await stage.instance()
    instance.stuck, instance.in_kernel = True, 10
    client.says(MUCH)
    assert not client.reading
    instance.takes(1)
    await stage.pass_time(61)
    instance.in_kernel = 9
    await stage.pass_time(61)
    assert not client.sent
    await stage.pass_time(61)
    assert client.got().startswith(b"HTTP/1.1 504 ")
    assert instance.gone


async def test_time_in_which_the_client_is_not_read_is_not_its_own(stage_with: SetUp) -> None:
    """The rate of a body is measured while it is waited for."""
    stage = await stage_with(listener={"min_bytes_per_second": 500})
    client = stage.client()
    client.says(post(300_000))
    await stage.pass_time(1.9)
    instance = await stage.instance()
    instance.stuck = True
    client.says(bytes(70_000))
    for _ in range(5):
        instance.takes(1)
        await stage.pass_time(59)
    instance.reads_on()
    assert client.reading
    await stage.pass_time(29)
    client.says(b"x")
    assert not client.sent, "70,000 bytes are worth 140 seconds"
    for _ in range(3):
        await stage.pass_time(29)
        client.says(b"x")
    await stage.pass_time(25)
    assert client.got().startswith(b"HTTP/1.1 408 ")


async def test_both_sides_slow_at_once(stage: Stage) -> None:
    """When one of two slow sides takes more, the time-out of the other runs on."""
    client = stage.client()
    client.says(post(300_000))
    instance = await stage.instance()
    client.stuck = instance.stuck = True
    client.says(MUCH)
    instance.says(answer(300_000) + MUCH)
    client.reads_on()
    assert instance.reading
    assert not client.reading
    await stage.pass_time(31)
    assert not client.closing, "it is not the client that keeps us waiting"
    await stage.pass_time(30)
    assert client.closing, "the instance took nothing for a minute"


async def test_another_try_reads_the_client_on(stage: Stage) -> None:
    """What the lost instance did not take no longer stops the client, if the request is kept for another try."""
    client = stage.client()
    client.protocol._most_replayed = 1_000_000  # type: ignore[union-attr]
    client.says(put(200_000))
    instance = await stage.instance()
    instance.stuck = True
    client.says(MUCH)
    assert not client.reading
    instance.breaks()
    await stage.turn()
    assert client.reading
    other = await stage.instance()
    client.says(MUCH)
    assert other.got().endswith(MUCH + MUCH)
