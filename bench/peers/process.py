"""Server processes of a run: started in a group of their own on chosen cores, ended with their group and nothing else."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_START_SECONDS = 15.0
"""How long a server may take from its start to its first accepted connection."""
_STOP_SECONDS = 10.0
"""How long a server may take from the polite signal to its end, before its group is killed."""
_POLL_SECONDS = 0.02


class ServerError(Exception):
    """A server did not start or ended by itself; the message carries the last lines of its log."""


def free_port() -> int:
    """A TCP port of the loopback address that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def pinned_to(cores: Iterable[int]) -> Iterator[None]:
    """Runs the block on these cores; a process started inside inherits them and keeps them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """One started server: a process group on its cores, which ends with the ``with`` block."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cores: Iterable[int],
        port: int,
        log: Path,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        """Starts the command; ``port`` is where it will listen, 0 when the command itself will tell.

        ``environment`` is added to the harness's own. ``stdout`` is what ``subprocess`` takes; by default it goes to the log.
        """
        self.port = port
        self._log = log
        self._stopped = False
        with log.open("wb") as output, pinned_to(cores):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # a group of its own: its number is the leader's pid
            )

    @property
    def group(self) -> int:
        """Number of the process group, which is also the pid of its leader."""
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe asked for with ``stdout=subprocess.PIPE``."""
        assert self._process.stdout is not None, "the server was started without a pipe"
        return self._process.stdout

    def wait_until_listening(self) -> None:
        """Returns once the port accepts connections; raises ServerError when it never does."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self.require_alive()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            except OSError:
                time.sleep(_POLL_SECONDS)
            else:
                return
        raise ServerError(self._with_log(f"does not listen on port {self.port} after {_START_SECONDS:.0f} s"))

    def require_alive(self) -> None:
        """Raises ServerError when the leader of the group has ended."""
        code = self._process.poll()
        if code is not None:
            raise ServerError(self._with_log(f"ended by itself with code {code}"))

    def stop(self) -> None:
        """Ends the whole group: politely first, then for certain. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        # Workers may outlive a leader that crashed, and a leader may not listen to the polite signal.
        with suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _with_log(self, message: str) -> str:
        tail = self._log.read_text(errors="replace").strip().splitlines()[-10:]
        return "\n  ".join([f"{self._log.stem} {message}", *tail])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_listening(
    command: Sequence[str],
    *,
    cores: Iterable[int],
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Starts a server and returns it once it listens; one that never does is stopped, and ServerError raised."""
    server = Server(command, cores=cores, port=port, log=log, environment=environment)
    try:
        server.wait_until_listening()
    except BaseException:
        server.stop()
        raise
    return server
