"""Instances of a large service come and go under load: nobody notices, and nothing grows."""

import pytest

from tests.helpers import Gateway, Origin, configuration, eventually
from tests.helpers.gateway import named
from tests.helpers.load import Load
from tests.helpers.processes import private_bytes
from tests.helpers.proof import PROOF

INSTANCES, REQUESTS = (10_000, 5_000) if PROOF else (1_000, 1_000)
CHANGES = 1_000
"""In a second."""
GROWTH_BYTES = 4 << 20


@pytest.mark.timeout(300)
async def test_members_that_come_and_go_fail_no_request() -> None:
    """A thousand changes a second: every request is answered, by members that are there, and memory stays as it is."""
    async with Origin(b"x", host="") as origin:
        text = configuration(f"members.churn:{origin.port}", workers=2)
        command = ("bench.churn.command", str(INSTANCES), str(CHANGES))
        async with Gateway(text, module=command) as gateway:
            async with Load(gateway, clients=8) as load:
                await _more(load)
                members = await _members(gateway)
                await _more(load)  # by now every instance has come once, and pools are as full as they get
                before = _private(gateway)
                await _more(load)
                await eventually(lambda: _private(gateway) <= before + GROWTH_BYTES)
                others = await _members(gateway)
            assert len(members) == len(others) == INSTANCES
            assert len(members - others) > CHANGES // 10, "they have changed meanwhile"
            assert load.tally.failures == 0, load.tally
            assert await gateway.empty()
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_faults_total") == metrics.sum("headgate_nonsense_total") == 0
        assert "is left out" not in gateway.stderr()


async def _more(load: Load) -> None:
    for _ in range(REQUESTS // 200):
        await load.more(200)


async def _members(gateway: Gateway) -> set[str]:
    (service,) = named(await gateway.status(), "services")
    return {instance["address"] for instance in named(service, "instances")}


def _private(gateway: Gateway) -> int:
    """Memory of supervisor and workers that is theirs alone, in bytes."""
    return sum(map(private_bytes, [gateway.pid, *gateway.worker_pids()]))
