"""Every kind of sink takes whole lines, and none is ever waited for."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.worker import log_sink
from gateway.worker.log_sink import FileSink, Sink, SocketSink, StreamSink, open_sink

LINE = b'{"a":1}\n'


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def fill(sink: Sink) -> int:
    """Writes until the sink says that it is full; how much it took."""
    taken = 0
    try:
        while True:
            taken += sink.write(LINE * (sink.most // len(LINE)))
    except BlockingIOError:
        return taken


def test_a_file_is_created_for_few_eyes_and_appended_to(tmp_path: Path) -> None:
    """What is there stays; a new file is not for everybody."""
    path = tmp_path / "log"
    for _ in range(2):
        sink = open_sink(str(path))
        assert isinstance(sink, FileSink)
        assert sink.write(LINE) == len(LINE)
        sink.close()
    assert path.read_bytes() == LINE * 2
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0


def test_a_line_that_was_torn_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills up within a line, all lines are there in the end, and only its fragment is no line."""
    path = tmp_path / "log"
    sink = open_sink(str(path))
    room = [len(LINE) + 3, 0, 1 << 20]
    write = os.write

    def until_full(fd: int, data: bytes) -> int:
        if not (free := room.pop(0)):
            raise OSError(28, "No space left on device")
        return write(fd, data[:free])

    monkeypatch.setattr(os, "write", until_full)
    assert sink.write(LINE * 3) == len(LINE)
    with pytest.raises(OSError, match="No space"):
        sink.write(LINE * 2)
    assert sink.write(LINE * 2) == 2 * len(LINE)
    sink.close()
    assert path.read_bytes() == LINE + LINE[:3] + b"\n" + LINE * 2


def test_standard_output_stays_as_it_is_for_its_other_owners(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full pipe raises instead of blocking, and the inherited description is still a blocking one."""
    reader, writer = pipe
    monkeypatch.setattr(log_sink, "_STDOUT", writer)
    sink = open_sink("stdout")
    assert isinstance(sink, StreamSink)
    assert fill(sink) > 0
    assert os.get_blocking(writer)
    assert os.read(reader, len(LINE)) == LINE
    sink.close()


def test_standard_output_that_cannot_be_opened_again_is_not_blocked_on_either(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to open it anew, the inherited description itself becomes non-blocking."""

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(log_sink, "_STDOUT", pipe[1])
    monkeypatch.setattr(os, "open", refuse)
    sink = open_sink("stdout")
    assert fill(sink) > 0
    sink.close()


def test_a_redirected_standard_output_is_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's ``>`` gives a position of its own; lines come behind what is there, not over it."""
    path = tmp_path / "out"
    with path.open("wb", buffering=0) as out:
        monkeypatch.setattr(log_sink, "_STDOUT", out.fileno())
        out.write(b"ready\n")
        sink = open_sink("stdout")
        assert isinstance(sink, FileSink)
        sink.write(LINE)
        sink.close()
    assert path.read_bytes() == b"ready\n" + LINE


def test_a_full_socket_raises_instead_of_blocking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the socket itself is a blocking one; what fitted is told."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        monkeypatch.setattr(log_sink, "_STDOUT", ours.fileno())
        sink = open_sink("stdout")
        assert isinstance(sink, SocketSink)
        sent = fill(sink)
        assert ours.getblocking()
        assert len(theirs.recv(sent, socket.MSG_WAITALL)) == sent
        sink.close()
