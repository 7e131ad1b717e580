"""A bug in a worker of the real command: it costs the connection it happened on, and nothing else."""

import os
from pathlib import Path

import pytest

import tests
from tests.helpers import Client, Gateway, Origin, Reply, configuration, eventually

ROOT = Path(tests.__file__).parents[1]
SABOTAGE = {"PYTHONPATH": os.pathsep.join((str(ROOT / "tests/helpers/sabotage"), str(ROOT)))}
GOOD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
FAULTS = 30


def bad(step: str) -> bytes:
    """A request on which the worker's state machine raises at this step."""
    if step == "receive":
        return b"GET / HTTP/1.1\r\nHost: a\r\nX-Fault: receive\r\n\r\n"
    return b"GET /fault HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("step", ["receive", "respond"])
async def test_a_bug_costs_one_connection(step: str) -> None:
    """The client sees a reset; its neighbour on the same worker, the worker and its counters go on; the log has the
    place, and not once for each.
    """

    def reply(request: object) -> Reply:
        target = getattr(request, "target", "")
        return Reply(body=b"good", fields=[("X-Fault", "respond")] if target == "/fault" else [])

    async with Origin(reply) as origin, Gateway(configuration(origin), environment=SABOTAGE) as gateway:
        gateway.may_log_traces = True
        async with Client(gateway) as neighbour:
            assert (await neighbour.exchange(GOOD))[0].status == 200
            for _ in range(FAULTS):
                async with Client(gateway) as victim:
                    await victim.send(bad(step))
                    with pytest.raises(ConnectionResetError):  # a clean end could pass for an empty answer
                        await victim.reader.read(99)
            assert (await neighbour.exchange(GOOD))[0].status == 200
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_faults_total") == FAULTS
        await eventually(gateway.empty)
        await eventually(lambda: origin.open_connections <= 1)
        assert gateway.worker_pids() == gateway.workers
        assert gateway.stderr().count("a bug in sitecustomize.py:") == 1
        assert f"AskedForError: {step}" in gateway.stderr()
