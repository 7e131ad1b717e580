"""Injected faults: a route answers some of its requests with an error, and has others wait, on purpose."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.gateway import run_with

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def faulty(origin: Origin, fault: str, access: str = "off") -> str:
    """All requests go by a route that injects this."""
    text = configuration(origin, route=f'name = "all"\nfault = {{ {fault} }}')
    return f'[log]\naccess = "{access}"\n\n{text}'


async def ask(gateway: Gateway) -> tuple[int, float]:
    """The status of a request, and how long it took in seconds."""
    async with Client(gateway) as client:
        begun = time.monotonic()
        (answer,) = await client.exchange(GET)
        return answer.status, time.monotonic() - begun


async def test_delays_wait_beside_each_other(tmp_path: Path) -> None:
    """Not one after the other, and none shorter than it is to be; the log and the metrics know of them."""
    async with Origin(b"late") as origin:
        async with Gateway(faulty(origin, 'delay = "300ms"', access=str(tmp_path / "access.log"))) as gateway:
            answers = await asyncio.gather(*[ask(gateway) for _ in range(20)])
            assert all(status == 200 and took >= 0.3 for status, took in answers), answers
            assert sum(took for _, took in answers) > 3 * max(took for _, took in answers)
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_injected_delays_total") == 20
            log = tmp_path / "access.log"
            await eventually(lambda: log.read_text().count("\n") == 20)
            assert {json.loads(line)["reason"] for line in log.read_text().splitlines()} == {"fault_delay"}
            assert await gateway.empty()


async def test_an_abort_reaches_no_instance_and_can_be_ended(tmp_path: Path) -> None:
    """Until a reload takes the fault away; the gateway warns of it meanwhile."""
    async with Origin(b"fine") as origin:
        text = faulty(origin, "abort = 503", access=str(tmp_path / "access.log"))
        async with Gateway(text) as gateway:
            assert [(await ask(gateway))[0] for _ in range(5)] == [503] * 5
            assert "the route all injects faults" in gateway.stderr()
            assert origin.requests == []
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_injected_aborts_total") == 5
            assert metrics.sum("headgate_requests_total", route="all", code="503") == 5
            log = tmp_path / "access.log"
            await eventually(lambda: log.read_text().count("\n") == 5)
            assert {json.loads(line)["reason"] for line in log.read_text().splitlines()} == {"fault_abort"}
            status, told = await gateway.reload(text + "# the same\n")
            assert (status, told["warnings"]) == (200, ["the route all injects faults into its requests"])
            assert (await gateway.reload(text.replace("fault = { abort = 503 }", "")))[0] == 200
            assert (await ask(gateway))[0] == 200


@pytest.mark.parametrize("command", ["check", "explain"])
async def test_commands_tell_of_it(command: str) -> None:
    """Who looks at a file sees that it injects faults."""
    async with Origin() as origin:
        async with Gateway(
            faulty(origin, 'delay = "1ms", delay_percent = 10, abort = 503, abort_percent = 5')
        ) as gateway:
            more = ("GET", "/") if command == "explain" else ()
            code, out, err = await run_with(command, str(gateway.file), *more)
            assert code == 0
            if command == "check":
                assert "warning: the route all injects faults into its requests" in err
            else:
                assert "fault     abort 503 of 5 %, delay 1ms of 10 %" in out
