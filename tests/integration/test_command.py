"""`headgate run` and `headgate check` as a script sees them: the ready line, signals, exit codes, the pid file."""

import asyncio
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually, vices
from tests.helpers.gateway import run_to_end, run_with
from tests.helpers.processes import alive, scheduling

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
NOBODY = "127.0.0.1:1"


async def test_the_ready_line() -> None:
    """The line names the supervisor, its children, every listener and the admin address."""
    second = '\n[[listen]]\naddress = "[::1]:0"'
    async with Gateway(configuration(NOBODY, workers=2, listen=second)) as gateway:
        assert gateway.ready["pid"] == gateway.pid
        assert sorted(gateway.workers) == gateway.worker_pids()
        assert len(gateway.workers) == 2
        first, other = gateway.ready["listen"]
        assert first.startswith("http://127.0.0.1:")
        assert other.startswith("http://[::1]:")
        assert gateway.admin.startswith("http://127.0.0.1:")


async def test_workers_have_shorter_slices_than_the_supervisor() -> None:
    """Where cores are busy, who serves goes first; kernels before Linux 6.12 know no such slices."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, workers=2)) as gateway:
        (_, _, usual), *others = (scheduling(pid) for pid in (gateway.pid, *gateway.workers))
        assert all(own < usual or usual == 0 for _, _, own in others)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_drains(number: signal.Signals) -> None:
    """What is in flight is finished, with Connection: close; nothing new is accepted; the exit code is 0."""
    async with vices.Gated() as origin, Gateway(configuration(origin, workers=2)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            gateway.signal(number)

            async def refuses() -> bool:
                try:
                    async with Client(gateway):
                        return False
                except ConnectionError:
                    return True

            await eventually(refuses)
            origin.gate.set()
            response = await client.response()
            assert (response.status, response.fields.one("connection")) == (200, "close")
        assert await gateway.wait() == 0


async def test_a_drain_is_bounded() -> None:
    """An exchange that does not end in drain_timeout does not keep the gateway from stopping."""
    text = 'drain_timeout = "500ms"'
    async with vices.StallsBeforeHead() as origin, Gateway(configuration(origin, gateway=text)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            started = asyncio.get_running_loop().time()
            gateway.signal(signal.SIGTERM)
            assert await gateway.wait() == 0
            assert asyncio.get_running_loop().time() - started < 5


async def test_idle_connections_do_not_hold_up_a_stop() -> None:
    """Kept connections without a request are closed at once."""
    async with Origin(b"x") as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        await client.exchange(GET)
        started = asyncio.get_running_loop().time()
        gateway.signal(signal.SIGTERM)
        assert await client.at_end() == b""
        assert await gateway.wait() == 0
        assert asyncio.get_running_loop().time() - started < 5


async def test_workers_end_when_the_supervisor_is_killed() -> None:
    """Without a supervisor the workers stop by themselves."""
    async with Gateway(configuration(NOBODY, workers=2)) as gateway:
        gateway.signal(signal.SIGKILL)
        assert await gateway.wait() == -signal.SIGKILL
        await eventually(lambda: not any(alive(pid) for pid in gateway.workers))
        gateway.exit_code = -signal.SIGKILL


async def test_a_port_in_use() -> None:
    """A port that somebody else has costs exit code 1 and one clear message."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = configuration(NOBODY).replace(
            '[[listen]]\naddress = "127.0.0.1:0"', f'[[listen]]\naddress = "127.0.0.1:{port}"'
        )
        code, out, err = await run_to_end(text)
    assert (code, out) == (1, "")
    assert str(port) in err
    assert "Traceback" not in err


async def test_an_admin_port_in_use() -> None:
    """The same for the admin address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = await run_to_end(
            configuration(NOBODY).replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{port}"')
        )
    assert (code, out) == (1, "")
    assert str(port) in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["run", "check"])
async def test_a_wrong_configuration(command: str) -> None:
    """Every mistake is listed with its place, the exit code is 2, and nothing is on stdout."""
    text = '[gateway]\nworkes = 2\n\n[[listen]]\naddress = "nonsense"\n\n[services.api]\ninstances = []\n\n[[routes]]\nservice = "apj"\n'
    code, out, err = await run_to_end(text, command)
    assert (code, out) == (2, "")
    for piece in ("gateway.toml:2:1", "workers", "gateway.toml:5:", "gateway.toml:11:", "apj"):
        assert piece in err
    assert "Traceback" not in err


@pytest.mark.parametrize("text", ["this is not TOML", "[gateway\n", ""])
async def test_an_unreadable_configuration(text: str) -> None:
    """What is no configuration at all costs exit code 2."""
    code, out, err = await run_to_end(text)
    assert (code, out) == (2, "")
    assert "gateway.toml" in err
    assert "Traceback" not in err


async def test_a_missing_file() -> None:
    """A file that is not there costs exit code 2 and names the file."""
    code, out, err = await run_to_end("", file="/nowhere/at-all.toml")
    assert (code, out) == (2, "")
    assert "/nowhere/at-all.toml" in err
    assert "Traceback" not in err


async def test_check_of_a_good_file() -> None:
    """A good file costs one line and exit code 0."""
    code, out, err = await run_to_end(configuration(NOBODY), "check")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1


async def test_the_pid_file(tmp_path: Path) -> None:
    """The file holds the supervisor's pid while it runs, and is gone afterwards."""
    path = tmp_path / "headgate.pid"
    async with Gateway(configuration(NOBODY), "--pid-file", str(path)) as gateway:
        assert int(path.read_text()) == gateway.pid
    assert not path.exists()


async def test_reload_status_and_show() -> None:
    """A running gateway is told to reload and asked how it is, by the address in a file or by URL."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        admin = f"--admin={gateway.admin}"
        gateway.file.write_text(configuration(origin, workers=2))
        assert await run_with("reload", admin) == (
            0,
            "reloaded: epoch 2 is in force\n  gateway.workers changed\n",
            "",
        )
        code, table, _ = await run_with("status", admin)
        assert (code, table.splitlines()[0]) == (0, "ready, epoch 2")
        assert [line.split()[:2] for line in table.splitlines() if " ready " in line] == [
            ["0", "ready"],
            ["1", "ready"],
        ]
        code, document, _ = await run_with("status", admin, "--json")
        assert (code, orjson.loads(document)["epoch"]) == (0, 2)
        code, shown, _ = await run_with("show", str(gateway.file))
        assert code == 0
        assert (await gateway.reload(shown))[1]["changes"] == []

        gateway.file.write_text(configuration(origin, service="balanc = 1"))
        code, output, errors = await run_with("reload", admin)
        assert (code, output) == (1, "")
        assert "refused, epoch 3 stays in force: the configuration is wrong" in errors
        assert "services.api.balanc: unknown key" in errors

        named = gateway.file.with_name("named.toml")
        named.write_text(f'[gateway]\nadmin = "{urlsplit(gateway.admin).netloc}"\n')
        assert (await run_with("status", str(named)))[1].splitlines()[0] == "ready, epoch 3"
        code, output, errors = await run_with("status", str(gateway.file))
        assert (code, output) == (2, "")
        assert "--admin" in errors


async def test_a_gateway_that_is_not_there() -> None:
    """One line, and exit code 1."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for command in ("reload", "status"):
            code, output, errors = await run_with(command, f"--admin={url}")
            assert (code, output) == (1, "")
            assert errors == f"headgate: no gateway answers at {url}: connection refused\n"
