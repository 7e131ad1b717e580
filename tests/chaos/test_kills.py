"""Instances and workers die under load, and the clients hardly notice."""

import os
import random
import signal
import time
from functools import partial

import pytest

from tests.helpers import Gateway, configuration, eventually
from tests.helpers.instance import Instance
from tests.helpers.load import Load
from tests.helpers.proof import PROOF, promptly

CHECK = 'health = { path = "/", interval = "100ms", timeout = "1s", fall = 2, rise = 1 }'
CLIENTS = 16


async def test_a_killed_instance_fails_no_request() -> None:
    """Killing one of three instances under load costs no GET; started again it comes back, by its checks and at once."""
    async with Instance() as one, Instance() as two, Instance() as three:
        instances = [one, two, three]
        async with Gateway(configuration(one, two, three, workers=2, service=CHECK)) as gateway:

            async def all_serve() -> bool:
                metrics = await gateway.metrics()
                healthy, ejected = (
                    metrics.sum(f"headgate_instance_{word}") for word in ("healthy", "ejected")
                )
                return (healthy, ejected) == (3, 0)

            await eventually(all_serve)
            async with Load(gateway, clients=CLIENTS, idempotent=True) as load:
                for _ in range(10 if PROOF else 2):
                    await load.more(300)
                    victim = random.choice(instances)
                    await victim.kill()
                    await load.more(500)
                    await victim.start()
                    await eventually(all_serve)
            assert load.tally.failures == 0, load.tally
    assert load.tally.answers[200] > 1000


@pytest.mark.parametrize("attempt", range(10 if PROOF else 1))
async def test_a_killed_worker_costs_its_own_requests_only(attempt: int) -> None:
    """At most what the killed worker held fails; new connections are served meanwhile; a new one is there in 1 s."""
    del attempt
    async with Instance(delay=0.005) as instance, Gateway(configuration(instance, workers=2)) as gateway:
        for victim in gateway.workers:
            async with (
                Load(gateway, clients=CLIENTS) as kept,
                Load(gateway, clients=4, new_connections=True) as new,
            ):
                await kept.more(200)
                os.kill(victim, signal.SIGKILL)
                killed = time.monotonic()
                await eventually(partial(has_replaced, gateway, victim), within=20.0)
                assert time.monotonic() - killed < promptly(1.0)
                await kept.more(200)
                await new.more(50)
            assert kept.tally.failures <= CLIENTS, kept.tally
            assert new.tally.failures <= 4, new.tally
            assert new.tally.longest_wait < promptly(0.5), "new connections waited for the new worker"
        await eventually(gateway.empty)
        assert (await gateway.metrics()).sum("headgate_worker_restarts_total") == 2


async def test_counters_survive_a_killed_worker() -> None:
    """What a worker had counted before it was killed stays in the sums, exactly once."""
    async with Instance() as instance, Gateway(configuration(instance, workers=2)) as gateway:
        async with Load(gateway, clients=CLIENTS) as load:
            await load.more(500)
        before = (await gateway.metrics()).sum("headgate_requests_total", code=200)
        assert before == load.tally.answers[200]
        victim = gateway.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)

        await eventually(partial(has_replaced, gateway, victim))
        assert (await gateway.metrics()).sum("headgate_requests_total", code=200) == before


async def has_replaced(gateway: Gateway, victim: int) -> bool:
    """Does the status show two ready workers, and not the victim?"""
    workers = (await gateway.status())["workers"]
    return [worker["state"] for worker in workers] == ["ready"] * 2 and victim not in [
        worker["pid"] for worker in workers
    ]
