"""Where lines of the access log go: files, pipes, terminals and sockets, none of which is ever waited for."""

import os
import select
import socket
import stat
from typing import Protocol

from gateway.model import ACCESS_LOG_MODE, ACCESS_LOG_STDOUT

FILE_BATCH_BYTES = 256 * 1024
"""Lines of one write to a file, which the kernel appends in one piece: all that came in one turn of the loop behind the 64 KiB
after which the engine tells that they are due. (A line in a write of 64 KiB costs the kernel 0.16 µs, in one of 256 KiB 0.13.)"""

_STDOUT = 1
_REOPEN_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Sink(Protocol):
    """Takes batches of whole lines."""

    most: int
    """Bytes of one batch: as much as cannot be mixed with what other workers write."""

    def write(self, lines: bytes) -> int:
        """Writes a batch, and says how much of it is done with. Raises BlockingIOError when the sink is full, and
        OSError when it is broken.
        """
        ...

    def close(self) -> None:
        """Gives the descriptor back."""
        ...


def open_sink(target: str) -> Sink:
    """Opens ``stdout`` or a file, which is created. Raises OSError."""
    if target == ACCESS_LOG_STDOUT:
        fd = _own_stdout()
    else:
        fd = os.open(target, _REOPEN_FLAGS | os.O_CREAT, ACCESS_LOG_MODE)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return FileSink(fd)
    return SocketSink(fd) if stat.S_ISSOCK(mode) else StreamSink(fd)


def _own_stdout() -> int:
    """Standard output, opened once more: making the inherited description non-blocking would make it so for everybody
    else who has it, such as the shell. A socket cannot be opened again and need not be.
    """
    if stat.S_ISSOCK(os.fstat(_STDOUT).st_mode):
        return os.dup(_STDOUT)
    try:
        return os.open(f"/proc/self/fd/{_STDOUT}", _REOPEN_FLAGS)
    except OSError:
        # A pipe that another user made, as some container runtimes hand out; then only this gateway writes to it.
        fd = os.dup(_STDOUT)
        os.set_blocking(fd, False)
        return fd


class FileSink:
    """A regular file. When a write ends within a line (the disk is full), the line is written again later, on a line of
    its own: another worker may have appended meanwhile.
    """

    most = FILE_BATCH_BYTES

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._torn = False

    def write(self, lines: bytes) -> int:
        """Appends; what counts are whole lines."""
        start = b"\n" if self._torn else b""
        written = os.write(self._fd, start + lines) - len(start)
        whole = lines.rfind(b"\n", 0, written) + 1
        self._torn = whole < written
        return whole

    def close(self) -> None:
        """Gives the descriptor back."""
        os.close(self._fd)


class StreamSink:
    """A pipe, which takes a batch of ``PIPE_BUF`` bytes whole or not at all (pipe(7)); or a terminal or device."""

    most = select.PIPE_BUF

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, lines: bytes) -> int:
        """Writes what fits."""
        return os.write(self._fd, lines)

    def close(self) -> None:
        """Gives the descriptor back."""
        os.close(self._fd)


class SocketSink:
    """A stream socket, as service managers give for standard output."""

    most = select.PIPE_BUF

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)

    def write(self, lines: bytes) -> int:
        """Sends what fits; the flag makes this one call non-blocking, whatever others do with the socket."""
        return self._socket.send(lines, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def close(self) -> None:
        """Gives the descriptor back."""
        self._socket.close()
