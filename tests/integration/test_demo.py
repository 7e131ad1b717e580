"""`headgate demo` as a newcomer and as a script meet it."""

import asyncio
import os
import re
import shlex
import signal
import socket
import sys
import uuid
from typing import Self

import pytest

from gateway.demo.echo import listen
from tests.helpers import curl, eventually
from tests.helpers.gateway import ROOT
from tests.helpers.processes import alive, marked

START_SECONDS = 40


class Demo:
    """A running demo; ``lines`` is what it has printed, ``gateway`` and ``admin`` are its URLs."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self.lines: list[str] = []
        self.process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]

    def printed(self, pattern: str) -> list[str]:
        """Every printed line that the pattern matches."""
        return [line for line in self.lines if re.search(pattern, line)]

    @property
    def gateway(self) -> str:
        """The gateway's URL."""
        return self.printed("^gateway  ")[0].split()[1]

    @property
    def instances(self) -> dict[str, int]:
        """Pids by the instances' names."""
        found = (re.match(r"instance (\S+)  (http://\S+)  pid (\d+)$", line) for line in self.lines)
        return {match[1]: int(match[3]) for match in found if match}

    @property
    def processes(self) -> list[int]:
        """Everything that it has started and that lives, itself included."""
        return marked(self._mark)

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "demo",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=ROOT,
            env={**os.environ, "HEADGATE_TEST": self._mark, "PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        await eventually(lambda: self.printed("^Ctrl-C"), within=START_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        for pid in self.processes:
            os.kill(pid, signal.SIGKILL)
        await self.process.wait()
        await self._reading
        self.process._transport.close()  # type: ignore[attr-defined]  # else the collector closes its pipe

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode().rstrip())


async def test_the_demo_does_what_it_prints() -> None:
    """The lines of the contract, both services, a kill without a failure, the printed command, the limit."""
    async with Demo() as demo:
        assert set(demo.instances) == {"hello-1", "hello-2", "hello-3", "echo-1"}
        assert b"any text" in (await curl("-d", "any text", demo.gateway + "/echo")).body
        assert (
            "headgate_requests_total"
            in (await curl(demo.printed("^admin  ")[0].split()[1] + "/metrics")).body.decode()
        )

        os.kill(demo.instances["hello-1"], signal.SIGKILL)
        answers = [await curl(demo.gateway) for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        assert not any(b"hello-1" in answer.body for answer in answers)
        await eventually(lambda: demo.printed("hello-1 was ended by SIGKILL"))

        command = shlex.split(demo.printed("gateway.demo.hello --name hello-1")[-1])
        again = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, cwd=ROOT)

        async def is_back() -> bool:
            return b"hello-1" in (await curl(demo.gateway)).body

        await eventually(is_back, within=15)
        limited = await asyncio.gather(*(curl(demo.gateway + "/limited") for _ in range(20)))
        assert {answer.status for answer in limited} == {200, 429}

        demo.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(demo.process.wait(), 15) == 0
        assert await asyncio.wait_for(again.wait(), 5) == 0
        await eventually(lambda: not demo.processes)


def test_no_piece_of_an_answer_waits_for_the_one_before() -> None:
    """Connections to the ASGI application send at once, as those to the Flask application do."""
    with listen(0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_demo_leaves_no_process(number: signal.Signals) -> None:
    """However the demo ends, its services and its gateway end with it."""
    async with Demo() as demo:
        started = demo.processes
        assert len(started) >= 1 + 4 + 2
        demo.process.send_signal(number)
        assert await asyncio.wait_for(demo.process.wait(), 15) == (0 if number == signal.SIGTERM else -number)
        await eventually(lambda: not any(alive(pid) for pid in started), within=10)
