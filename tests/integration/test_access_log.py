"""The access log as an operator meets it: the real command, real pipes and files, and clients of every kind."""

import asyncio
import os
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.helpers import Client, Gateway, Origin, Reply, Request, configuration, eventually, vices
from tests.helpers.configuration import HasAddress
from tests.helpers.gateway import run_to_end
from tests.helpers.load import Load
from tests.helpers.origin import OriginConnection

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
KEYS = ["time", "request_id", "client", "peer", "method", "host", "path", "route", "service", "instance", "tries", "status",
        "bytes", "duration_ms", "first_byte_ms", "reason"]  # fmt: skip


def logging(to: str | Path, *origins: HasAddress | str, **settings: Any) -> str:
    """A configuration with an access log."""
    return f'[log]\naccess = "{to}"\n\n{configuration(*origins, **settings)}'


def parsed(data: bytes) -> list[dict[str, Any]]:
    """Every line, each of which must be an object with all keys in their order."""
    assert not data or data.endswith(b"\n")
    lines = [orjson.loads(line) for line in data.splitlines()]
    assert all(list(line) == KEYS for line in lines)
    return lines


async def next_line(gateway: Gateway) -> dict[str, Any]:
    """The next line on the gateway's standard output."""
    assert gateway.process is not None
    assert gateway.process.stdout is not None
    return parsed(await asyncio.wait_for(gateway.process.stdout.readline(), 5))[0]


async def rest_of(gateway: Gateway) -> list[dict[str, Any]]:
    """All lines until the gateway has ended."""
    assert gateway.process is not None
    assert gateway.process.stdout is not None
    return parsed(await asyncio.wait_for(gateway.process.stdout.read(), 20))


async def stop_and_read(gateway: Gateway) -> list[dict[str, Any]]:
    """Ends the gateway; all lines that were left."""
    gateway.signal(signal.SIGTERM)
    lines = await rest_of(gateway)
    await gateway.wait()
    return lines


async def test_a_line_tells_of_a_request() -> None:
    """Who asked for what, who answered, how much and how fast; the identity is the one that the instance saw."""
    async with (
        Origin(b"hello") as origin,
        Gateway(logging("stdout", origin)) as gateway,
        Client(gateway) as client,
    ):
        (response,) = await client.exchange(b"GET /p?q=1 HTTP/1.1\r\nHost: h.example:80\r\n\r\n")
        line = await next_line(gateway)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["request_id"] == origin.requests[0].fields.one("x-request-id")
        assert (line["client"], line["method"], line["host"]) == ("127.0.0.1", "GET", "h.example:80")
        assert (line["path"], line["route"], line["service"]) == ("/p?q=1", "*", "api")
        assert (line["instance"], line["tries"], line["status"]) == (origin.address, 1, 200)
        assert line["bytes"] > len(response.body.data) + len("HTTP/1.1 200 ")
        assert 0 < line["first_byte_ms"] <= line["duration_ms"] < 5000
        assert line["reason"] is None


async def test_every_request_is_one_line_and_every_line_one_request() -> None:
    """Over two workers, answers of every origin: lines by status equal the metrics, and the ready line came first."""

    def reply(request: Request) -> Reply:
        return Reply(int(request.target[1:]), b"x")

    wanted = Counter({200: 40, 204: 5, 404: 6, 503: 3})
    only = 'path = "/only"\nmethods = ["PUT"]\nservice = "api"'
    text = logging("stdout", "127.0.0.1:1", workers=2, routes=[only])
    async with Origin(reply) as origin:
        async with Gateway(text.replace('["127.0.0.1:1"]', f'["{origin.address}"]')) as gateway:
            for status, count in wanted.items():
                for _ in range(count):
                    async with Client(gateway) as client:
                        request = b"GET /%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % status
                        assert (await client.exchange(request))[0].status == status
            async with Client(gateway) as client:
                assert (await client.exchange(b"nonsense\r\n\r\n"))[0].status == 400
            metrics = await gateway.metrics()
            lines = await stop_and_read(gateway)
    seen = Counter(line["status"] for line in lines)
    assert seen == wanted + Counter({400: 1})
    for status, count in seen.items():
        assert metrics.sum("headgate_requests_total", code=status) == count
    assert len({line["request_id"] for line in lines}) == len(lines)


async def test_clients_that_leave_and_instances_that_fail() -> None:
    """499 with its reason; 502 with the reason of Proxy-Status and the number of tries."""
    async with vices.StallsBeforeHead() as origin, Gateway(logging("stdout", origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            client.reset()
        line = await next_line(gateway)
        assert (line["status"], line["reason"], line["first_byte_ms"]) == (499, "client_closed", None)
    async with Gateway(logging("stdout", "127.0.0.1:1", "127.0.0.2:1")) as gateway, Client(gateway) as client:
        (response,) = await client.exchange(GET)
        line = await next_line(gateway)
        assert (line["status"], line["tries"], line["instance"]) == (502, 2, line["instance"])
        assert f"error={line['reason']};" in str(response.fields.one("proxy-status"))


FORGERIES = [
    b'GET /?","status":999,"x":" HTTP/1.1\r\nHost: a\r\n\r\n',
    b"GET /?\\u000a\\n%0a%1b[31m HTTP/1.1\r\nHost: a\r\n\r\n",
    b'GET /\n{"time":0} HTTP/1.1\r\nHost: a\r\n\r\n',
    b"GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xc3\xa9\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b'G"T / HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a"}\r\n\r\n',
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\x1b]0;x\x07\r\n\r\n",
    b'GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a","status":999,"x":"\r\n\r\n',
    b"GET http://b.example/?%22 HTTP/1.1\r\nHost: a\r\n\r\n",
]


async def test_nobody_forges_a_line() -> None:
    """Whatever clients send, each request is exactly one line, printable, with the status that it got."""
    async with Origin(b"x") as origin, Gateway(logging("stdout", origin)) as gateway:
        statuses = []
        for forgery in FORGERIES:
            async with Client(gateway) as client:
                statuses.append((await client.exchange(forgery))[0].status)
        lines = await stop_and_read(gateway)
    assert [line["status"] for line in lines] == statuses
    assert Counter(statuses) == {200: 4, 400: 6}
    assert all(char.isprintable() for char in orjson.dumps(lines).decode())
    for forgery, line in zip(FORGERIES, lines, strict=True):
        if line["status"] == 200:
            target = forgery.split(b" ")[1].decode().removeprefix("http://b.example")
            assert line["path"] == target


async def test_rotation_under_load_loses_no_line(tmp_path: Path) -> None:
    """The file is renamed and SIGUSR1 sent, several times: every answered request is a whole line in one of the files."""
    path = tmp_path / "access.log"
    async with Origin(b"x") as origin, Gateway(logging(path, origin, workers=2)) as gateway:
        async with Load(gateway, clients=4) as load:
            for number in range(5):
                await load.more(100)
                path.rename(tmp_path / f"access.log.{number}")
                gateway.signal(signal.SIGUSR1)
                await eventually(path.exists)
        tally = load.tally
        metrics = await gateway.metrics()
    lines = [line for file in tmp_path.iterdir() for line in parsed(file.read_bytes())]
    assert tally.failures == 0
    assert len(lines) == tally.answers.total() == metrics.sum("headgate_requests_total")
    assert len({line["request_id"] for line in lines}) == len(lines)
    assert metrics.sum("headgate_access_log_lines_dropped_total") == 0


async def test_rotation_while_a_worker_drains(tmp_path: Path) -> None:
    """What ends after the rotation is in the new file, though the gateway is about to stop."""
    path = tmp_path / "access.log"
    async with Slow() as origin, Gateway(logging(path, origin)) as gateway, Client(gateway) as client:
        asking = asyncio.create_task(client.exchange(GET))
        await eventually(lambda: origin.requests)
        gateway.signal(signal.SIGTERM)
        await eventually(lambda: "drain" in gateway.stderr() or "stop" in gateway.stderr())
        path.rename(tmp_path / "access.log.1")
        gateway.signal(signal.SIGUSR1)
        await eventually(path.exists)
        origin.go_on.set()
        (response,) = await asking
        await gateway.wait()
    assert response.status == 200
    assert [line["status"] for line in parsed(path.read_bytes())] == [200]


class Slow(Origin):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(b"late")
        self.go_on = asyncio.Event()

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Not yet."""
        await self.go_on.wait()
        await super().answer(request, connection)


async def test_a_reader_that_stops_holds_up_no_request() -> None:
    """A full pipe costs lines, which are counted; each request is a line or dropped, and none waits."""
    target = b"/" + b"x" * 1800
    request = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    text = logging("stdout", "127.0.0.1:1", route='path = "/only"')
    requests = 0
    async with Gateway(text) as gateway, Client(gateway) as client:
        dropped = 0.0
        while not dropped:
            for response in await client.exchange(request * 16, ["GET"] * 16):
                assert response.status == 404
                requests += 1
            if requests % 256 == 0:
                dropped = (await gateway.metrics()).sum("headgate_access_log_lines_dropped_total")
        dropped = (await gateway.metrics()).sum("headgate_access_log_lines_dropped_total")
        lines = await stop_and_read(gateway)
        assert len(lines) + dropped == requests
        assert all(line["path"].encode() == target for line in lines)


async def test_a_new_worker_goes_on_with_the_log() -> None:
    """What its killed predecessor had written is there, and the next line is the successor's."""
    async with Origin(b"x") as origin, Gateway(logging("stdout", origin)) as gateway:
        async with Client(gateway) as client:
            await client.exchange(GET)
        assert (await next_line(gateway))["status"] == 200
        (old,) = gateway.workers
        os.kill(old, signal.SIGKILL)

        async def replaced() -> bool:
            return (await gateway.get("/ready"))[0] == 200 and gateway.worker_pids() not in ([], [old])

        await eventually(replaced, within=10)
        async with Client(gateway) as client:
            await client.exchange(GET)
        assert (await next_line(gateway))["status"] == 200


@pytest.mark.parametrize("place", ["missing/access.log", "."])
async def test_a_log_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    """The gateway does not start: exit code 1 and one message that names the file."""
    path = (tmp_path / place).absolute()
    code, out, err = await run_to_end(logging(path, "127.0.0.1:1"))
    assert (code, out) == (1, "")
    assert f"cannot write the access log {path}" in err
    assert "Traceback" not in err


async def test_without_a_log_nothing_is_written() -> None:
    """The ready line is all that comes on standard output."""
    async with Origin(b"x") as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.exchange(GET)
        assert await stop_and_read(gateway) == []
