"""Injected faults: a route answers some of its requests with an error, and has others wait, on purpose."""

import asyncio
import contextlib
import json
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.gateway import run_with

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
WARNING = "faults are injected into requests"


def faulty(origin: Origin | str, fault: str, access: str = "off", **more: Any) -> str:
    """All requests go by a route that injects this."""
    text = configuration(origin, route=f'name = "all"\nfault = {{ {fault} }}', **more)
    return f'[log]\naccess = "{access}"\n\n{text}'


async def ask(gateway: Gateway) -> tuple[int, float]:
    """The status of a request, and how long it took in seconds."""
    async with Client(gateway) as client:
        begun = time.monotonic()
        (answer,) = await client.exchange(GET)
        return answer.status, time.monotonic() - begun


async def delayed(gateway: Gateway, count: int) -> bool:
    """Have so many requests been delayed?"""
    return (await gateway.metrics()).sum("headgate_injected_delays_total") == count


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
            assert f"routes[0].fault: {WARNING}" in gateway.stderr()
            assert origin.requests == []
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_injected_aborts_total") == 5
            assert metrics.sum("headgate_requests_total", route="all", code="503") == 5
            log = tmp_path / "access.log"
            await eventually(lambda: log.read_text().count("\n") == 5)
            assert {json.loads(line)["reason"] for line in log.read_text().splitlines()} == {"fault_abort"}
            status, told = await gateway.reload(text + "# the same\n")
            (warning,) = told["warnings"]
            assert (status, warning.endswith(f"routes[0].fault: {WARNING}")) == (200, True)
            assert (await gateway.reload(text.replace("fault = { abort = 503 }", "")))[0] == 200
            assert (await ask(gateway))[0] == 200


async def test_shares_are_set_while_the_gateway_runs() -> None:
    """What a file prepares with 0 hits nobody until it is set, at every worker and on connections that were there before."""
    prepared = "abort = 503, abort_percent = 0"
    key = "routes.all.fault.abort_percent"
    async with Origin(b"fine") as origin:
        text = faulty(origin, prepared, workers=2)
        async with Gateway(text) as gateway, Client(gateway) as client:

            async def status() -> int:
                (answer,) = await client.exchange(GET)
                return answer.status

            async def change(*words: str) -> tuple[int, str]:
                code, _, err = await run_with(*words, "--admin", gateway.admin)
                return code, err

            assert await status() == 200
            assert WARNING not in gateway.stderr()
            assert await change("set", key, "100") == (0, "")
            assert [await status() for _ in range(10)] == [503] * 10
            assert (await gateway.reload(text))[0] == 200
            assert await status() == 503, "it stays through a reload"
            for words in (("set", key, "101"), ("set", "routes.all.fault.delay_percent", "50")):
                code, err = await change(*words)
                assert (code, "fault" in err) == (1, True), err
            assert await change("unset", key) == (0, "")
            assert await status() == 200


async def test_a_stop_waits_for_what_is_delayed() -> None:
    """It is served to its end, and its connection ends with it."""
    async with Origin(b"late") as origin, Gateway(faulty(origin, 'delay = "700ms"')) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(partial(delayed, gateway, 1))
            gateway.signal(signal.SIGTERM)
            answer = await client.response()
            assert (answer.status, answer.fields.one("connection")) == (200, "close")
        assert await gateway.wait() == 0


async def test_a_stop_waits_no_longer_than_it_may() -> None:
    """A delay that is longer than ``drain_timeout`` is cut short with its request."""
    async with Origin(b"late") as origin:
        text = faulty(origin, 'delay = "1h"', gateway='drain_timeout = "300ms"')
        async with Gateway(text) as gateway, Client(gateway) as client:
            await client.send(GET)
            await eventually(partial(delayed, gateway, 1))
            gateway.signal(signal.SIGTERM)
            with contextlib.suppress(ConnectionError):
                assert await client.at_end() == b""
            assert await gateway.wait() == 0
            assert origin.requests == []


async def test_a_large_body_is_held_back_and_arrives_whole() -> None:
    """Beyond what is held the client is not read until the delay is over."""
    body = bytes(range(256)) * 4096
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with Origin(b"late") as origin, Gateway(faulty(origin, 'delay = "300ms"')) as gateway:
        async with Client(gateway) as client:
            (answer,) = await client.exchange(head + body, to="POST")
            assert answer.status == 200
            assert [request.body.data for request in origin.requests] == [body]


@pytest.mark.parametrize("end", ["close", "finish", "reset"])
async def test_a_client_that_leaves_during_its_delay_is_let_go(end: str) -> None:
    """With a FIN or a reset: its request reaches nobody, and holds nothing."""
    async with Origin(b"late") as origin, Gateway(faulty(origin, 'delay = "1h"')) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(partial(delayed, gateway, 1))
            left = getattr(client, end)()
            if left is not None:
                await left

            async def is_over() -> bool:
                return (await gateway.metrics()).sum("headgate_requests_total", route="all", code="499") == 1

            await eventually(is_over)
        assert await gateway.empty()
        assert origin.requests == []


async def test_copies_are_of_requests_that_go_on() -> None:
    """The mirror gets that of a delayed request at once, and none of one that is answered in an instance's stead."""
    async with Origin(b"late") as origin, Origin(b"x") as shadow:
        services = f'[services.shadow]\ninstances = ["{shadow.address}"]'
        text = faulty(origin, 'delay = "500ms"', services=services) + 'mirror = { service = "shadow" }\n'
        async with Gateway(text) as gateway, Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: shadow.requests)
            assert origin.requests == []
            assert (await client.response()).status == 200
            assert (len(origin.requests), len(shadow.requests)) == (1, 1)
            assert (await gateway.reload(text.replace('delay = "500ms"', "abort = 503")))[0] == 200
            (answer,) = await client.exchange(GET)
            assert answer.status == 503
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_mirror_requests_total") == 1
            assert (len(origin.requests), len(shadow.requests)) == (1, 1)


@pytest.mark.parametrize("command", ["check", "explain"])
async def test_commands_tell_of_it(command: str, tmp_path: Path) -> None:
    """Who looks at a file sees that it injects faults."""
    file = tmp_path / "gateway.toml"
    fault = 'delay = "1ms", delay_percent = 10, abort = 503, abort_percent = 5'
    file.write_text(faulty("127.0.0.1:9", fault), encoding="utf-8")
    code, out, err = await run_with(command, str(file), *(("GET", "/") if command == "explain" else ()))
    assert code == 0
    if command == "check":
        assert err.startswith("warning: ")
        assert err.endswith(f": routes[0].fault: {WARNING}\n")
    else:
        assert "fault     abort 503 of 5 %, delay 1ms of 10 %" in out
