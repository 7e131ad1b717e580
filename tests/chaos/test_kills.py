"""Instances and workers die under load, and the clients hardly notice."""

import os
import random
import signal
import time

from tests.helpers import Gateway, configuration, eventually
from tests.helpers.instance import Instance
from tests.helpers.load import Load
from tests.helpers.processes import alive

CHECK = 'health = { path = "/", interval = "100ms", timeout = "1s", fall = 2, rise = 1 }'
CLIENTS = 16


async def test_a_killed_instance_fails_no_request(proof: bool) -> None:
    """Killing one of three instances under load costs no GET; started again it comes back."""
    async with Instance() as one, Instance() as two, Instance() as three:
        instances = [one, two, three]
        async with Gateway(configuration(one, two, three, workers=2, service=CHECK)) as gateway:

            async def all_healthy() -> bool:
                return (await gateway.metrics()).sum("headgate_instance_healthy") == 3

            await eventually(all_healthy)
            async with Load(gateway, clients=CLIENTS, idempotent=True) as load:
                for _ in range(10 if proof else 2):
                    await load.more(300)
                    victim = random.choice(instances)
                    await victim.kill()
                    await load.more(500)
                    await victim.start()
                    await eventually(all_healthy)
            assert load.tally.failures == 0, load.tally
    assert load.tally.answers[200] > 1000


async def test_a_killed_worker_costs_its_own_requests_only(proof: bool) -> None:
    """At most what the killed worker held fails; new connections are served meanwhile; a new one is there in 1 s."""
    async with Instance(delay=0.005) as instance:
        async with Gateway(configuration(instance, workers=2)) as gateway:
            for _ in range(10 if proof else 2):
                async with (
                    Load(gateway, clients=CLIENTS) as kept,
                    Load(gateway, clients=4, new_connections=True) as new,
                ):
                    await kept.more(200)
                    victim = random.choice(gateway.worker_pids())
                    os.kill(victim, signal.SIGKILL)
                    killed = time.monotonic()

                    async def replaced(victim: int = victim) -> bool:
                        pids = [worker["pid"] for worker in (await gateway.status())["workers"]]
                        return victim not in pids and len([pid for pid in pids if alive(pid)]) == 2

                    await eventually(replaced, within=1.0)
                    replaced_after = time.monotonic() - killed
                    await kept.more(200)
                    await new.more(50)
                assert replaced_after < 1.0
                assert kept.tally.failures <= CLIENTS, kept.tally
                assert new.tally.failures <= 4, new.tally
                assert new.tally.longest_wait < 0.5, "new connections waited for the new worker"
            await eventually(gateway.empty)
            restarts = (await gateway.metrics()).sum("headgate_worker_restarts_total")
            assert restarts == (10 if proof else 2)


async def test_counters_survive_a_killed_worker() -> None:
    """What a worker had counted before it was killed stays in the sums, exactly once."""
    async with Instance() as instance, Gateway(configuration(instance, workers=2)) as gateway:
        async with Load(gateway, clients=CLIENTS) as load:
            await load.more(500)
        before = (await gateway.metrics()).sum("headgate_requests_total", code=200)
        assert before == load.tally.answers[200]
        victim = gateway.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)

        async def replaced() -> bool:
            return len([pid for pid in gateway.worker_pids() if pid != victim]) == 2

        await eventually(replaced)
        assert (await gateway.metrics()).sum("headgate_requests_total", code=200) == before
