"""An instance in a process of its own, so that it can be killed as instances are killed."""

import asyncio
import signal
import sys
from typing import Self

from tests.helpers.processes import die_with_parent

_PROGRAM = """
import asyncio, sys

async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            length = next((line.split(b":")[1] for line in head.lower().split(b"\\r\\n")
                           if line.startswith(b"content-length:")), b"0")
            await reader.readexactly(int(length))
            await asyncio.sleep(float(sys.argv[2]))
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class Instance:
    """A small HTTP server as a child process; after ``kill`` it can be started again on the same port.

    ``delay`` seconds pass before every answer, so that requests are in flight when it dies.
    """

    def __init__(self, *, delay: float = 0.0) -> None:
        self.port = 0
        self._delay = delay
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process's."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Starts the process and waits until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROGRAM, str(self.port), str(self._delay),
            stdout=asyncio.subprocess.PIPE, preexec_fn=die_with_parent,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(await asyncio.wait_for(self._process.stdout.readline(), 10))

    async def kill(self) -> None:
        """SIGKILL, and the end."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
            self._process._transport.close()  # type: ignore[attr-defined]  # else the collector closes its pipe
            self._process = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
