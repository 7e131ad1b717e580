"""Starts generated instances as a process, and tells their addresses."""

import asyncio
import contextlib
import pickle
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson

from gateway.benchmark.load import LoadError
from gateway.benchmark.processes import running
from gateway.benchmark.simulation.behaviour import Behaviour

START_SECONDS = 20.0


@asynccontextmanager
async def generated(groups: Mapping[str, Behaviour]) -> AsyncIterator[dict[str, list[str]]]:
    """The addresses of each group's instances, which live as long as the context. Raises LoadError."""
    behaviours = [replace(one, count=1) for one in groups.values() for _ in range(one.count)]
    command = [sys.executable, "-m", f"{__package__}.instances_process"]
    async with running(command, stdin=pickle.dumps(behaviours)) as process:
        assert process.stdout is not None
        line = b""
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        if not line:
            raise LoadError("the generated instances do not start")
        ports = iter(orjson.loads(line))
        yield {name: [f"127.0.0.1:{next(ports)}" for _ in range(one.count)] for name, one in groups.items()}
