"""The processes of a demo: sample instances and the gateway, started, watched and ended together."""

import asyncio
import contextlib
import ctypes
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import orjson

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None)


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Process:
    """One child of the demo, in a session of its own: Ctrl-C is for the demo, which then ends its children in order."""

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its pid; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> bytes:
        """Starts it and returns the first line that it prints. Raises DemoError when it ends or stays silent."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise DemoError(f"{self.name} does not start") from None
        if not line:
            raise DemoError(f"{self.name} ended with exit code {await self._process.wait()} before it served")
        return line

    async def ended(self) -> str:
        """Waits for its end and says how it ended, in words."""
        assert self._process is not None
        code = await self._process.wait()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help. Idempotent."""
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Instance(Process):
    """A sample service's process."""

    def __init__(self, service: str, number: int) -> None:
        name = f"{service}-{number}"
        self._command = ["-m", f"gateway.demo.{service}", "--name", name, "--demo", str(os.getpid())]
        self.port = 0
        super().__init__(name, self._command)

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def command(self) -> str:
        """What starts it again on its port, ready to be copied."""
        return shlex.join([sys.executable, *self._command, "--port", str(self.port)])

    async def serve(self) -> None:
        """Starts it and learns its port."""
        self.port = int(await self.start())


class Gateway(Process):
    """The real command on a configuration file."""

    def __init__(self, file: Path) -> None:
        super().__init__("the gateway", ["-m", "gateway", "run", str(file)])

    async def serve(self) -> dict[str, Any]:
        """Starts it and returns what its ready line says."""
        ready: dict[str, Any] = orjson.loads(await self.start())
        return ready


def _end_with_parent() -> None:
    """Between fork and exec: the kernel ends the child with SIGTERM when the demo dies, even by SIGKILL."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
