"""From the engine to the sink: nothing is lost that a sink takes, and nothing waits for one that does not."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.state.lane import Lane
from gateway.worker import access_log
from gateway.worker.access_log import AccessLog
from gateway.worker.log_sink import SocketSink, StreamSink
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import NO_ROUTE_ROW, Stage, Transport

UNROUTED = b"DELETE /%d HTTP/1.1\r\nHost: a\r\n\r\n"
DROPPED = "access_log_lines_dropped"


@pytest.fixture
async def logged(stage_with: SetUp) -> Stage:
    """A stage whose requests are logged; to where, the test says."""
    return await stage_with(access_log=True)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe in which every write is a packet of its own: a read returns one."""
    ends = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
    yield ends
    os.close(ends[0])


def into(log: AccessLog, sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the log write to this sink."""
    monkeypatch.setattr(access_log, "open_sink", lambda _: sink)
    log.aim("/sink")


def ask(client: Transport, requests: int) -> None:
    """Requests that nobody answers but the gateway, numbered in their paths."""
    for number in range(requests):
        client.says(UNROUTED % number)


def read_lines(data: bytes) -> list[dict[str, Any]]:
    """Whole lines, parsed."""
    assert not data or data.endswith(b"\n")
    return [orjson.loads(line) for line in data.splitlines()]


def drain(reader: int) -> list[bytes]:
    """The packets that are in a pipe."""
    packets = []
    try:
        while packet := os.read(reader, 1 << 16):
            packets.append(packet)
    except BlockingIOError:
        pass
    return packets


def counted(stage: Stage) -> int:
    """Requests that the metrics know."""
    return sum(stage.statuses().values()) + sum(stage.statuses(NO_ROUTE_ROW).values())


async def test_lines_come_with_the_tick(logged: Stage, tmp_path: Path) -> None:
    """A line tells of the exchange, with the address that the instance has in shared memory."""
    path = tmp_path / "log"
    logged.plane.access_log.aim(str(path))
    client = logged.client()
    await logged.exchange(client)
    ask(client, 1)
    assert path.read_bytes() == b""
    await logged.pass_time(0.05)
    first, second = read_lines(path.read_bytes())
    assert first["instance"] in {"127.0.0.1:9000", "127.0.0.1:9001"}
    assert (first["client"], first["status"], first["route"], first["service"]) == (
        "192.0.2.1",
        200,
        "r",
        "s",
    )
    assert (second["method"], second["path"], second["status"]) == ("DELETE", "/0", 404)


async def test_many_lines_do_not_wait_for_the_tick(logged: Stage, tmp_path: Path) -> None:
    """From 64 KiB on they are written in the next turn of the loop, and again from the next 64 KiB on."""
    path = tmp_path / "log"
    logged.plane.access_log.aim(str(path))
    client = logged.client()
    for _ in range(2):
        before = path.stat().st_size
        ask(client, 400)
        assert path.stat().st_size == before
        await logged.turn()
        assert path.stat().st_size >= before + 64 * 1024


async def test_a_pipe_gets_whole_lines_in_writes_that_cannot_be_mixed(
    logged: Stage, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write is at most PIPE_BUF long and nothing but whole lines, in order."""
    into(logged.plane.access_log, StreamSink(pipe[1]), monkeypatch)
    client = logged.client()
    client.says(UNROUTED.replace(b"%d", b"~" * 5000))
    ask(client, 150)
    logged.plane.access_log.flush()
    packets = drain(pipe[0])
    assert len(packets) > 5
    assert all(len(packet) <= 4096 for packet in packets)
    lines = [line for packet in packets for line in read_lines(packet)]
    assert [line["path"] for line in lines[1:]] == [f"/{number}" for number in range(150)]
    await logged.plane.access_log.finish(0)


async def test_a_reader_that_stopped_costs_lines_and_nothing_else(
    logged: Stage, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are answered, memory is bounded, each request is a line or counted as dropped, and lines come again."""
    log = logged.plane.access_log
    into(log, StreamSink(pipe[1]), monkeypatch)
    client = logged.client()
    for _ in range(60):
        ask(client, 200)
        client.got()
        log.flush()
    assert logged.counter(DROPPED) > 0
    assert len(log._lines) <= 1 << 20
    lines: list[dict[str, Any]] = []
    while packets := drain(pipe[0]):
        lines += [line for packet in packets for line in read_lines(packet)]
        log.flush()
    assert len(lines) + logged.counter(DROPPED) == counted(logged) == 12_000
    ask(client, 1)
    log.flush()
    assert len(drain(pipe[0])) == 1
    await log.finish(0)


async def test_a_slow_socket_gets_every_byte_once(logged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stream takes of a batch is not sent again, and the rest follows."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    log = logged.plane.access_log
    into(log, SocketSink(ours.detach()), monkeypatch)
    ask(logged.client(), 1000)
    data = b""
    with theirs:
        theirs.setblocking(False)
        while data.count(b"\n") < 1000:
            log.flush()
            data += theirs.recv(3000)
        assert [line["path"] for line in read_lines(data)] == [f"/{number}" for number in range(1000)]
        await log.finish(0)


async def test_a_renamed_file_keeps_its_lines_and_a_new_one_gets_the_next(
    logged: Stage, tmp_path: Path
) -> None:
    """Until it is reopened, the old file is written to; none is lost, none comes twice."""
    path, old = tmp_path / "log", tmp_path / "log.1"
    log = logged.plane.access_log
    log.aim(str(path))
    client = logged.client()
    ask(client, 2)
    log.flush()
    path.rename(old)
    ask(client, 3)
    log.reopen()
    assert path.exists(), "whoever rotates the files waits for it"
    ask(client, 4)
    log.flush()
    assert (len(read_lines(old.read_bytes())), len(read_lines(path.read_bytes()))) == (5, 4)


async def test_a_file_that_cannot_be_opened_anew_stays_the_old_one(
    logged: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log goes on where it was, and says so once."""
    folder, moved = tmp_path / "a", tmp_path / "b"
    folder.mkdir()
    log = logged.plane.access_log
    log.aim(str(folder / "log"))
    folder.rename(moved)
    log.reopen()
    ask(logged.client(), 1)
    log.flush()
    assert len(read_lines((moved / "log").read_bytes())) == 1
    assert caplog.text.count("cannot open the access log") == 1


async def test_lines_wait_for_a_place_that_is_not_there_yet(
    logged: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that comes back finds the lines; the log complains once meanwhile."""
    folder = tmp_path / "a"
    log = logged.plane.access_log
    log.aim(str(folder / "log"))
    client = logged.client()
    for _ in range(3):
        ask(client, 1)
        log.flush()
    assert caplog.text.count("cannot open the access log") == 1
    folder.mkdir()
    log.flush()
    assert len(read_lines((folder / "log").read_bytes())) == 3
    assert logged.counter(DROPPED) == 0


async def test_a_full_disk_is_told_once_and_counted(logged: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing raises; at the end of the worker the lines that found no place are counted."""
    log = logged.plane.access_log
    log.aim("/dev/full")
    client = logged.client()
    for _ in range(3):
        ask(client, 5)
        log.flush()
    assert caplog.text.count("cannot write the access log /dev/full: No space left on device") == 1
    assert logged.counter(DROPPED) == 0
    ask(client, 2)
    await log.finish(0)
    assert logged.counter(DROPPED) == counted(logged) == 17


async def test_standard_output_belongs_to_the_ready_line_first(
    logged: Stage, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the supervisor allows it, nothing is written; then everything."""
    monkeypatch.setattr(access_log, "open_sink", lambda _: StreamSink(pipe[1]))
    log = logged.plane.access_log
    log.aim("stdout")
    ask(logged.client(), 3)
    log.flush()
    assert drain(pipe[0]) == []
    log.reopen()
    assert len(read_lines(b"".join(drain(pipe[0])))) == 3
    await log.finish(0)


async def test_a_worker_that_ends_waits_for_a_slow_reader(
    logged: Stage, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not for long: what a reader takes in time is not counted as dropped."""
    log = logged.plane.access_log
    into(log, StreamSink(pipe[1]), monkeypatch)
    ask(logged.client(), 2000)
    finished = asyncio.ensure_future(log.finish(30))
    packets: list[bytes] = []
    while not finished.done():
        packets += drain(pipe[0])
        await asyncio.sleep(0)
    packets += drain(pipe[0])
    assert b"".join(packets).count(b"\n") == 2000
    assert logged.counter(DROPPED) == 0


async def test_turned_off_and_on_again(logged: Stage, tmp_path: Path) -> None:
    """A new target gets what comes after it; None closes the file."""
    first, second = tmp_path / "a", tmp_path / "b"
    log = logged.plane.access_log
    client = logged.client()
    targets: tuple[tuple[Path | None, int], ...] = ((first, 1), (second, 2), (None, 0), (first, 3))
    for target, requests in targets:
        log.aim(None if target is None else str(target))
        ask(client, requests)
        log.flush()
    assert (len(read_lines(first.read_bytes())), len(read_lines(second.read_bytes()))) == (4, 2)


async def test_an_exception_of_who_is_told_costs_no_request(
    logged: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's step returns its verdict, and the exception is reported as one that nobody could take."""
    reported: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda told: reported.append(told.exc_value))

    def fail(error: Exception) -> None:
        raise error

    callback: Callable[[], None] = partial(fail, ValueError("no"))
    logged.lane.on_access_log_due(callback)
    client = logged.client()
    ask(client, 400)
    assert client.got().count(b"HTTP/1.1 404 ") == 400
    assert [str(error) for error in reported] == ["no"]


def test_the_lane_has_no_lines_when_nobody_asks(stage: Stage) -> None:
    """A take of nothing is an empty one."""
    lane: Lane = stage.lane
    assert lane.take_access_log() == b""
