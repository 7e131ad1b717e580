"""The real command as a child process: `python -m gateway run FILE` on port 0, stopped and checked at the end."""

import asyncio
import os
import resource
import signal
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from tests.helpers.exposition import Metrics
from tests.helpers.patience import eventually
from tests.helpers.processes import alive, children, die_with_parent, marked

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0
STOP_SECONDS = 15.0


class Gateway:
    """A running gateway. Leaving the context stops it with SIGTERM and checks that it ended as it promises:

    its exit code (``exit_code``, 0 unless a test kills it), no process left, no traceback in its log (unless ``may_log_traces``).
    """

    def __init__(
        self,
        configuration: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        descriptors: int | None = None,
        inherit: Sequence[int] = (),
        module: Sequence[str] = ("gateway",),
    ) -> None:
        """``descriptors``: each of its processes may have so many open and can get no more. ``inherit``: those of ours
        that it finds open under the same numbers. ``module``: what is run, with arguments of its own before ours.
        """
        self._module = module
        self._descriptors = descriptors
        self._inherit = inherit
        self.exit_code = 0
        self.may_log_traces = False
        self._environment = environment or {}
        self._configuration = configuration
        self._arguments = arguments
        self._marker = f"HEADGATE_TEST={uuid.uuid4().hex}"
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-test-")
        self.folder = Path(self._folder.name)
        self.file = self.folder / "gateway.toml"
        self.process: asyncio.subprocess.Process | None = None
        self.ready: dict[str, Any] = {}

    # --- what it printed ---

    @property
    def url(self) -> str:
        """The first listener's URL."""
        return str(self.ready["listen"][0])

    @property
    def port(self) -> int:
        """The first listener's port."""
        return urlsplit(self.url).port or 0

    @property
    def admin(self) -> str:
        """The admin URL."""
        return str(self.ready["admin"])

    @property
    def workers(self) -> list[int]:
        """The workers' pids as the supervisor printed them at start."""
        return list(self.ready["workers"])

    @property
    def pid(self) -> int:
        """The supervisor's pid."""
        assert self.process is not None
        return self.process.pid

    def stderr(self) -> str:
        """Everything it has logged so far."""
        path = self.folder / "stderr"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- what the admin plane says ---

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an admin resource."""
        async with aiohttp.ClientSession() as session, session.get(self.admin + path) as response:
            return response.status, await response.read()

    async def metrics(self) -> Metrics:
        """One scrape."""
        status, body = await self.get("/metrics")
        assert status == 200, body
        return Metrics.parse(body.decode())

    async def status(self) -> dict[str, Any]:
        """``GET /v1/status``."""
        status, body = await self.get("/v1/status")
        assert status == 200, body
        document: dict[str, Any] = orjson.loads(body)
        return document

    async def reload(self, configuration: str | None = None) -> tuple[int, dict[str, Any]]:
        """``POST /v1/reload``, after writing another configuration: status and answer."""
        if configuration is not None:
            self.file.write_text(configuration)
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.admin + "/v1/reload", json={}) as response,
        ):
            return response.status, await response.json()

    async def listeners(self) -> dict[str, str]:
        """The URL of each listener by its name."""
        return {listener["name"]: listener["url"] for listener in named(await self.status(), "listeners")}

    async def in_flight(self) -> int:
        """Exchanges that the gateway holds on all instances."""
        return int((await self.metrics()).sum("headgate_instance_in_flight"))

    async def empty(self) -> bool:
        """Does the gateway hold no exchange?"""
        return await self.in_flight() == 0

    async def instance(self, address: str) -> dict[str, Any]:
        """The status of one instance by its address."""
        for service in named(await self.status(), "services"):
            for instance in named(service, "instances"):
                if instance.get("address", instance.get("name")) == address:
                    return instance
        raise AssertionError(f"no instance {address} in the status")

    def worker_pids(self) -> list[int]:
        """The workers that live now: the supervisor's direct children."""
        return [pid for pid in children(self.pid) if alive(pid)]

    # --- its life ---

    async def start(self) -> None:
        """Starts the command and waits for the line that says it serves."""
        self.file.write_text(self._configuration)
        name, value = self._marker.split("=")
        with (self.folder / "stderr").open("wb") as stderr:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self._module, "run", str(self.file), *self._arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=stderr,
                cwd=ROOT, env={**os.environ, **self._environment, name: value}, preexec_fn=self._prepare,
                pass_fds=self._inherit,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), START_SECONDS)
        assert line, f"exit code {await self.process.wait()} before it was ready:\n{self.stderr()}"
        self.ready = orjson.loads(line)
        assert self.ready["ready"] is True

    def _prepare(self) -> None:
        die_with_parent()
        if self._descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the supervisor."""
        assert self.process is not None
        self.process.send_signal(number)

    async def wait(self) -> int:
        """Waits for the end of the supervisor; its exit code."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)

    async def stop(self) -> None:
        """Ends it with SIGTERM unless it has ended already; checks exit code, processes and log."""
        assert self.process is not None
        if self.process.returncode is None:
            self.signal(signal.SIGTERM)
        code = await self.wait()
        assert code == self.exit_code, f"exit code {code}\n{self.stderr()}"
        await eventually(lambda: not marked(self._marker), why="no process is left")
        assert self.may_log_traces or "Traceback" not in self.stderr(), self.stderr()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self._kill()
            raise
        return self

    async def __aexit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        try:
            if error is None:
                await self.stop()
            else:
                self._note_log(error)
        except TimeoutError as late:  # it does not stop: its log tells how far it came
            self._note_log(late)
            raise
        finally:
            await self._kill()

    def _note_log(self, error: BaseException) -> None:
        error.add_note(f"the gateway's log:\n{self.stderr()}")

    async def _kill(self) -> None:
        for pid in marked(self._marker):
            os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            await self.process.wait()
            self.process._transport.close()  # type: ignore[attr-defined]  # else its pipe is closed by the collector
        self._folder.cleanup()


def named(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects below a key, whether they stand in a list or in an object keyed by name."""
    value = document[key]
    if isinstance(value, dict):
        return [{"name": name, **item} for name, item in value.items()]
    return list(value)


async def run_to_end(
    configuration: str,
    command: str = "run",
    *,
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str, str]:
    """Runs a command that must end by itself on a file with that text, or on ``file``: (exit code, stdout, stderr)."""
    with tempfile.TemporaryDirectory(prefix="headgate-test-") as folder:
        path = Path(folder) / "gateway.toml"
        path.write_text(configuration)
        return await run_with(command, file or str(path), environment=environment)


async def interrupt(*arguments: str, when: bytes) -> tuple[int, str]:
    """Runs a command until a line of its standard error has ``when``, and sends it Ctrl-C: (exit code, stdout). Nothing that it
    started is left running.
    """
    marker = uuid.uuid4().hex
    process = await _command(arguments, {"HEADGATE_TEST": marker})
    assert process.stderr is not None
    while when not in (line := await process.stderr.readline()):
        assert line, "it has ended before"
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), STOP_SECONDS)
    await eventually(lambda: not marked(f"HEADGATE_TEST={marker}"), why="no process is left")
    assert process.returncode is not None
    return process.returncode, out.decode()


async def run_with(
    *arguments: str, environment: Mapping[str, str] | None = None, within: float = START_SECONDS
) -> tuple[int, str, str]:
    """Runs a command that must end by itself: (exit code, stdout, stderr)."""
    process = await _command(arguments, environment or {})
    out, err = await asyncio.wait_for(process.communicate(), within)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def _command(arguments: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=ROOT, env={**os.environ, **environment}, preexec_fn=die_with_parent,
    )  # fmt: skip
