"""What a worker holds against an instance: connects that the instance refuses, and nothing that others do."""

import errno

import pytest

from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, answer, post


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), 1),
        (OSError(errno.EHOSTUNREACH, ""), 1),
        (OSError(errno.ENETUNREACH, ""), 1),
        (FileNotFoundError(errno.ENOENT, ""), 1),
        (OSError(), 1),
        (OSError(errno.ENOBUFS, ""), 0),
        (OSError(errno.EADDRNOTAVAIL, ""), 0),
    ],
    ids=str,
)
async def test_connects_that_fail(stage: Stage, error: OSError, failures: int) -> None:
    """A refusal and an unreachable instance count, a shortage of memory or ports does not."""
    stage.client().says(REQUEST)
    await stage.turn()
    stage.loop.connects.pop().fails(error)
    await stage.turn()
    assert stage.failures() == failures
    assert stage.counter("upstream_connect_failures") == 1


async def test_an_instance_that_hangs_up_at_once(stage: Stage) -> None:
    """A connection that ends before anything was sent on it is as good as refused."""
    stage.client().says(REQUEST)
    await stage.turn()
    stage.loop.connects.pop().succeeds().ends()
    await stage.turn()
    assert stage.failures() == 1


async def test_an_instance_that_is_gone(stage_with: SetUp) -> None:
    """A slot with another occupant since the decision: the new one has nothing to do with it."""
    stage = await stage_with(instances=1, tries=0)
    stage.client().says(REQUEST)
    stage.control.write_instance(0, 2, "127.0.0.1:9009", weight=1, max_in_flight=0, health=1)
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
