"""The supervisor is killed: its workers leave the port at once, finish what they hold, and end."""

import os
import signal
import time

import pytest

from tests.helpers import Client, Gateway, configuration, eventually
from tests.helpers.instance import Instance
from tests.helpers.processes import alive
from tests.helpers.proof import promptly

ASK = b"GET / HTTP/1.1\r\nHost: orphan\r\n\r\n"


async def dies(gateway: Gateway) -> None:
    """SIGKILL for the supervisor alone."""
    gateway.exit_code = -signal.SIGKILL
    gateway.signal(signal.SIGKILL)
    await eventually(
        lambda: not alive(gateway.pid)
    )  # its standard output stays open for as long as a worker lives


def successor_of(gateway: Gateway, instance: Instance) -> Gateway:
    """A gateway on the same port."""
    text = configuration(instance, workers=2)
    return Gateway(
        text.replace(
            '[[listen]]\naddress = "127.0.0.1:0"', f'[[listen]]\naddress = "127.0.0.1:{gateway.port}"'
        )
    )


@pytest.mark.parametrize("stop_one", [False, True], ids=["all run", "one is stopped"])
async def test_a_successor_has_the_port_while_the_orphans_drain(stop_one: bool) -> None:
    """What was under way is answered, a new gateway on the port serves within 2 s (or as soon as a busy machine starts
    one at all), and every orphan ends.

    A worker that is stopped cannot give up its sockets; its neighbours do it for all.
    """
    async with Instance(delay=1.0) as slow, Instance() as fast:
        began = time.monotonic()
        async with Gateway(configuration(slow, workers=2)) as gateway:
            bound = max(promptly(2.0), 2 * (time.monotonic() - began))
            if stop_one:
                os.kill(gateway.workers[0], signal.SIGSTOP)
            async with Client(gateway) as held:
                await held.send(ASK)
                await eventually(gateway.in_flight)
                killed = time.monotonic()
                await dies(gateway)
                async with successor_of(gateway, fast) as successor:
                    async with Client(successor) as client:
                        (response,) = await client.exchange(ASK)
                    assert response.status == 200
                    assert time.monotonic() - killed < bound
                    assert (await held.response()).status == 200
                    for _ in range(50):  # nobody but the successor listens
                        async with Client(successor) as client:
                            assert (await client.exchange(ASK))[0].status == 200
            for pid in gateway.workers:
                if alive(pid):
                    os.kill(pid, signal.SIGCONT)
            await eventually(lambda: not any(map(alive, gateway.workers)))
