"""What a worker holds against an instance: connects that the instance refuses, and nothing that others do."""

import errno

import pytest

from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, answer, forget_addresses, post


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (errno.ECONNREFUSED, 1),
        (errno.ECONNRESET, 1),  # it hung up, or spoke before it was asked
        (errno.EHOSTUNREACH, 1),
        (errno.ENETUNREACH, 1),
        (errno.ENOENT, 1),
        (errno.ENOBUFS, 0),
        (errno.EADDRNOTAVAIL, 0),
    ],
    ids=errno.errorcode.get,
)
async def test_connects_that_fail(stage: Stage, error: int, failures: int) -> None:
    """A refusal and an unreachable instance count, a shortage of memory or ports does not."""
    stage.client().says(REQUEST)
    await stage.turn()
    stage.network.connects.pop().fails(error)
    await stage.turn()
    assert stage.failures() == failures
    assert stage.counter("upstream_connect_failures") == 1


async def test_an_instance_that_is_gone(stage_with: SetUp) -> None:
    """A slot with another occupant since the decision: the new one has nothing to do with it."""
    stage = await stage_with(instances=1, tries=0)
    client = stage.client()
    forget_addresses(stage)
    client.says(REQUEST)
    await stage.turn()
    assert stage.failures() == 0
    assert stage.counter("upstream_connect_failures") == 1


async def test_an_answer_ends_the_row(stage_with: SetUp) -> None:
    """Two resets are two failures, and a good answer wipes them out."""
    stage = await stage_with(instances=1)
    client = stage.client()
    client.says(REQUEST)
    for _ in range(2):
        (await stage.instance()).breaks()
        await stage.turn()
        await stage.pass_back_off()
    assert stage.failures() == 2
    (await stage.instance()).says(ANSWER)
    assert client.got().endswith(b"ok")
    assert stage.failures() == 0


async def test_a_kept_connection_that_the_instance_has_closed(stage_with: SetUp) -> None:
    """It crossed a request on its way, and that is no failure."""
    stage = await stage_with(instances=1)
    client = stage.client()
    instance = await stage.exchange(client)
    client.says(REQUEST)
    instance.ends()
    assert stage.failures() == 0


async def test_an_instance_that_waits_for_a_client_to_read(stage: Stage) -> None:
    """While its answer is not taken it need not take the request: the time that passes is the client's."""
    client = stage.client()
    client.says(post(10_000_000))
    instance = await stage.instance()
    client.stuck = instance.stuck = True
    instance.says(answer(10_000_000) + bytes(100_000))
    assert not instance.reading
    client.says(bytes(100_000))
    assert not client.reading
    await stage.pass_time(61)
    assert client.gone
    assert stage.failures() == 0
