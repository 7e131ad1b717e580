"""``headgate bench`` as people use it: against a gateway, against servers with a vice, and with mistakes."""

import asyncio
import shutil
import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.helpers import Gateway, Origin, Reply, Request, configuration, eventually
from tests.helpers.gateway import interrupt, run_with
from tests.helpers.origin import OriginConnection

# Of nobody: self-signed for somebody-else.example.
KEY_AND_CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYrenMS89N1tBUbjt
X34wIEs/nbUU8+QpEfxy9tvsRCKhRANCAAQZcx6+3yp2ZIwWdiPfTV2wDvrYW+fP
zMTPOfKoBCYxsia4aAfv7rGNj+SiXnfGX61eii7Z1bmATOJ39qrs1a84
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBljCCAT2gAwIBAgIUPKLCvLgDJcP//WpTdIBfF5Taoy4wCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVc29tZWJvZHktZWxzZS5leGFtcGxlMCAXDTI2MTEyMTE4NDYz
MVoYDzIxMjYxMDI4MTg0NjMxWjAgMR4wHAYDVQQDDBVzb21lYm9keS1lbHNlLmV4
YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQZcx6+3yp2ZIwWdiPfTV2w
DvrYW+fPzMTPOfKoBCYxsia4aAfv7rGNj+SiXnfGX61eii7Z1bmATOJ39qrs1a84
o1MwUTAdBgNVHQ4EFgQUD/7akJdYY2JFLeozj9dXiwaH8V4wHwYDVR0jBBgwFoAU
D/7akJdYY2JFLeozj9dXiwaH8V4wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD
AgNHADBEAiAPMSy9ljem4kwS5DGlUrq59s+t+wmmYVwZ8r+bDAb9MQIgabTzIURd
4Qj73EbXFmYOR3s79TbrZekty+E8paIrIJo=
-----END CERTIFICATE-----
"""


class Delays(Origin):
    """Answers after a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__(b"late")
        self._seconds = seconds

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """A pause, then the answer."""
        await asyncio.sleep(self._seconds)
        await super().answer(request, connection)


class StallsOnce(Origin):
    """Answers nothing at all for a while, once, from its so-and-so-many-th request on."""

    def __init__(self, seconds: float, *, after: int) -> None:
        super().__init__(b"ok")
        self._seconds = seconds
        self._after = after
        self._until: float | None = None

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Every connection waits for the same end."""
        now = time.monotonic()
        if self._until is None and len(self.requests) >= self._after:
            self._until = now + self._seconds
        if self._until is not None and now < self._until:
            await asyncio.sleep(self._until - now)
        await super().answer(request, connection)


async def bench(target: str, tmp_path: Path, *arguments: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """Runs the command: the result as JSON, and what it printed."""
    file = tmp_path / "result.json"
    got, out, err = await run_with("bench", target, "--json", str(file), *arguments, within=50)
    assert got == code, out + err
    assert "Traceback" not in err
    return orjson.loads(file.read_bytes()), out + err


async def test_a_constant_rate_on_a_gateway(tmp_path: Path) -> None:
    """Every request of the schedule is counted; the gateway's processes, CPU time, memory and loops are found by the URL."""
    async with Origin(b"hello") as origin, Gateway(configuration(origin)) as gateway:
        result, said = await bench(gateway.url, tmp_path, "--rate", "200/s", "--duration", "2s")
    (phase,) = result["phases"]
    counted = sum(
        tally["statuses"].get("200", 0) for part in phase["parts"] for tally in part["kinds"].values()
    )
    assert len(origin.requests) == 1 + 400  # one asks whether it answers
    assert 200 <= counted < 400  # without the warm-up
    assert phase["figures"]["errors"] == 0
    assert phase["figures"]["cpu"] > 0
    assert all(seen["memory_bytes"] > 1e6 for seen in phase["observations"])
    assert any(seen["heartbeat_age_seconds"] is not None for seen in phase["observations"])
    assert "2 processes of this machine" in said
    assert "at 200/s" in said


async def test_a_stall_is_not_omitted(tmp_path: Path) -> None:
    """200 ms in which nothing is answered are felt by every request that was due in them, though only four connections wait."""
    async with StallsOnce(0.2, after=300) as origin:
        result, said = await bench(
            f"http://{origin.address}/", tmp_path, "--rate", "400/s", "--duration", "2s", "--connections", "4"
        )
    (phase,) = result["phases"]
    assert phase["figures"]["errors"] == 0
    assert phase["figures"]["p999"] >= 150
    assert phase["figures"]["p99"] >= 100  # 80 of 640 requests; an omitting generator would have four
    assert "The gateway was late" in said


async def test_percentiles_agree_with_another_client(tmp_path: Path) -> None:
    """Within 5 % of what aiohttp sees of a server that takes 40 ms."""
    async with Delays(0.04) as origin:
        url = f"http://{origin.address}/"
        result, _ = await bench(url, tmp_path, "--rate", "50/s", "--duration", "1s")
        theirs = []
        async with aiohttp.ClientSession() as session:
            for _ in range(20):
                began = time.perf_counter()
                async with session.get(url) as response:
                    await response.read()
                theirs.append(1000 * (time.perf_counter() - began))
    assert result["phases"][0]["figures"]["p50"] == pytest.approx(sorted(theirs)[10], rel=0.05)


async def test_a_weighted_mix_on_new_connections(tmp_path: Path) -> None:
    """Each kind is counted by its name, in its share, and every request comes on a connection of its own."""
    mix = tmp_path / "mix.toml"
    mix.write_text(
        '[[requests]]\nname = "read"\npath = "/r"\nweight = 3\nheaders = { X-A = "b" }\n'
        '[[requests]]\nname = "write"\nbody = "hello"\n'
    )
    async with Origin() as origin:
        result, said = await bench(
            f"http://{origin.address}", tmp_path,
            "--requests", str(mix), "--rate", "100/s", "--duration", "1s", "--new-connections",
        )  # fmt: skip
    kinds = [part["kinds"] for part in result["phases"][0]["parts"]]
    read, write = (sum(part[name]["statuses"].get("200", 0) for part in kinds) for name in ("read", "write"))
    assert 1.5 < read / write < 6
    assert "read" in said
    sent = [request for request in origin.requests if request.connection > 1]
    assert len({request.connection for request in sent}) == len(sent)
    assert {request.body.data for request in sent if request.method == "POST"} == {b"hello"}
    assert {request.fields.one("x-a") for request in sent if request.method == "GET"} == {"b"}


async def test_a_log_is_replayed_with_its_timing(tmp_path: Path) -> None:
    """The same requests, as far apart as they were, or half as far."""
    log = tmp_path / "access.log"
    line = '{{"time":"2026-01-02T03:04:{}Z","method":"{}","host":"h","path":"/{}"}}\n'
    log.write_text(
        line.format("05.000", "GET", "a")
        + line.format("05.100", "POST", "b")
        + line.format("07.000", "GET", "c")
    )
    async with Origin() as origin:
        began = time.monotonic()
        result, said = await bench(f"http://{origin.address}", tmp_path, "--replay", str(log), "--speed", "2")
        took = time.monotonic() - began
    assert [request.target for request in origin.requests[-2:]] == ["/a", "/c"]
    assert {request.fields.one("host") for request in origin.requests} == {"h"}
    assert took >= 1
    assert "POST is not safe to repeat" in said
    assert result["phases"][0]["name"] == "replayed"


async def test_the_file_of_a_running_gateway(tmp_path: Path) -> None:
    """Its admin API tells the address; the routes tell what to ask, and a status from 400 is mentioned."""
    async with Origin(lambda _: Reply(status=503)) as origin:
        text = configuration(origin, routes=['host = "a.example"\npath = "/v1/*"\nservice = "api"'])
        async with Gateway(text) as gateway:
            result, said = await bench(
                str(gateway.file), tmp_path, "--admin", gateway.admin, "--rate", "50/s", "--duration", "1s"
            )
    asked = {(request.target, request.fields.one("host")) for request in origin.requests}
    assert ("/v1/", "a.example") in asked
    assert "is answered with status 503" in said
    assert "100 % of the requests failed" in said
    assert set(result["phases"][0]["parts"][0]["kinds"]) == {"a.example/v1/*", "*"}


@pytest.mark.skipif(
    shutil.which("wrk") is None and shutil.which("h2load") is None, reason="no wrk and no h2load here"
)
async def test_as_fast_as_it_can_and_at_half_of_that(tmp_path: Path) -> None:
    """Without any option: the capacity, then latencies at half of it; the report is one file; the same again compares."""
    page = tmp_path / "report.html"
    async with Origin(b"x") as origin, Gateway(configuration(origin)) as gateway:
        first, _ = await bench(gateway.url, tmp_path, "--duration", "6s", "--html", str(page))
        shutil.copy(tmp_path / "result.json", tmp_path / "before.json")
        _, said = await bench(
            gateway.url, tmp_path, "--closed", "--duration", "2s", "--compare", str(tmp_path / "before.json")
        )
    closed, steady = first["phases"]
    assert closed["figures"]["throughput"] > steady["rate"] > 0.2 * closed["figures"]["throughput"]
    assert steady["figures"]["errors"] == closed["figures"]["errors"] == 0
    assert "<svg" in page.read_text()
    assert "Compared with" in said


async def test_nobody_there() -> None:
    """A closed port is told before any load, in a sentence, with exit code 1."""
    code, out, err = await run_with("bench", "http://127.0.0.1:1/", "--rate", "10/s")
    assert (code, out) == (1, "")
    assert err == "headgate: nothing answers at http://127.0.0.1:1: the connection is refused or never made\n"


async def test_a_target_that_dies_halfway(tmp_path: Path) -> None:
    """What was measured is shown, what happened is said, and the exit code is 1."""
    async with Origin(b"x") as origin:
        running = asyncio.create_task(
            bench(f"http://{origin.address}", tmp_path, "--rate", "100/s", "--duration", "2s", code=1)
        )
        await eventually(lambda: len(origin.requests) > 60, within=20)
        await origin.stop()
        result, said = await running
    assert "the target stopped answering" in said
    assert "connection refused" in said
    assert result["phases"][0]["figures"]["errors"] > 0


async def test_a_wrong_certificate(tmp_path: Path) -> None:
    """Its fault is named; --insecure takes it, and the load goes over TLS."""
    (tmp_path / "both.pem").write_text(KEY_AND_CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        code, _, err = await run_with("bench", url, "--rate", "10/s")
        assert code == 1
        assert "the certificate" in err
        assert "self-signed certificate" in err
        result, _ = await bench(url, tmp_path, "--rate", "50/s", "--duration", "1s", "--insecure")
    assert result["phases"][0]["figures"]["errors"] == 0
    assert result["phases"][0]["figures"]["p50"] > 0


async def test_without_a_generator_for_a_closed_loop() -> None:
    """What is missing, how to get it, and what works without."""
    nothing = {"PATH": "/nowhere"}
    async with Origin(b"x") as origin:
        code, _, err = await run_with("bench", f"http://{origin.address}", environment=nothing)
        assert code == 1
        assert "apt install wrk" in err
        assert "--doctor" in err
    code, out, _ = await run_with("bench", "--doctor", environment=nothing)
    assert code == 0
    assert "to install h2load: apt install nghttp2-client" in out


async def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C: what was measured until then is printed and written, and nothing is left running."""
    file = tmp_path / "result.json"
    async with Origin(b"x") as origin:
        load = ("--rate", "50/s", "--duration", "50s")
        command = ("bench", f"http://{origin.address}", *load, "--json", str(file))
        code, out = await interrupt(*command, when=b"failed")
    assert code == 1
    assert "Interrupted: what was measured until then." in out
    assert orjson.loads(file.read_bytes())["interrupted"] is True


@pytest.mark.parametrize("command", ["bench", "tune"])
async def test_help_shows_its_examples_line_by_line(command: str) -> None:
    """One command on a line, to be copied."""
    _, out, _ = await run_with(command, "--help")
    examples = [line.strip() for line in out.splitlines() if line.strip().startswith(f"headgate {command} ")]
    assert len(examples) == 3
    assert "\\b" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a URL"),
        (("http://a/", "--rate", "5"), 'add "/s"'),
        (("http://a/", "--rate", "5/s", "--closed"), "only one of --rate and --closed"),
        (("http://a/", "-H", "nonsense"), "NAME: VALUE"),
    ],
)
async def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 and a sentence."""
    code, _, err = await run_with("bench", *arguments)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ftp://a/",), "expected a URL"),
        (("http://a/", "--compare", "/nowhere"), "/nowhere: no such file"),
        (("http://a/", "--requests", "/nowhere"), "/nowhere"),
        (("http://a/", "--replay", "/nowhere"), "/nowhere: no such file"),
        (("http://a/", "-d", "@/nowhere"), "/nowhere: no such file"),
        (("http://no-such-host.invalid/",), "no-such-host.invalid has no address"),
    ],
)
async def test_what_cannot_be_used(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 1 and a sentence that names it; nothing is sent."""
    code, out, err = await run_with("bench", *arguments)
    assert (code, out) == (1, "")
    assert said in err
    assert "Traceback" not in err
