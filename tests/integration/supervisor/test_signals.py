"""Signals that the outside contract leaves to the supervisor's own judgement."""

import asyncio
import signal

from tests.helpers import Client, Gateway, configuration, eventually, vices

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_second_signal_ends_the_drain_at_once() -> None:
    """Whatever is in flight is cut; the exit code is still 0 and no process is left."""
    text = 'drain_timeout = "1h"'
    async with vices.StallsBeforeHead() as origin, Gateway(configuration(origin, gateway=text)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            gateway.signal(signal.SIGTERM)
            await eventually(lambda: "is draining" in gateway.stderr())
            gateway.signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                assert await gateway.wait() == 0


async def test_a_hang_up_reloads() -> None:
    """SIGHUP is logged with the new epoch, and the same workers go on."""
    async with vices.RefusesConnect() as origin, Gateway(configuration(origin, workers=2)) as gateway:
        gateway.signal(signal.SIGHUP)
        await eventually(lambda: "reloaded: epoch 2 is in force" in gateway.stderr())
        assert (await gateway.get("/ready"))[0] == 200
        assert sorted(gateway.workers) == gateway.worker_pids()


async def test_readiness_fails_first() -> None:
    """While the drain goes on, the admin plane still answers and says why it is not ready."""
    async with vices.Gated() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            gateway.signal(signal.SIGTERM)

            async def is_draining() -> bool:
                code, body = await gateway.get("/ready")
                return code == 503 and b"the gateway is draining" in body

            await eventually(is_draining)
            assert (await gateway.get("/live"))[0] == 200
            origin.gate.set()
            assert (await client.response()).status == 200
        assert await gateway.wait() == 0
