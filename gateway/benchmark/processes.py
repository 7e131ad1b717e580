"""Child processes of a benchmark: in a session of their own, bounded in time, and gone when the benchmark is."""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

STOP_SECONDS = 5.0
LONGEST_LINE_BYTES = 64 * 1024 * 1024
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a process left."""

    code: int
    output: str
    errors: str
    cpu_seconds: float


@asynccontextmanager
async def running(
    command: Sequence[str],
    *,
    stdin: bytes | None = None,
    stderr: IO[bytes] | int = asyncio.subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    politely: bool = True,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process whose standard output is a pipe; leaving the context ends it and what it has started.

    Not ``politely`` is for processes that would finish their work first, which nobody waits for any more.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, **(environment or {})},
        start_new_session=True,  # Ctrl-C is for the benchmark, which then ends its children in order
        preexec_fn=_end_with_parent,
        limit=LONGEST_LINE_BYTES,
    )
    try:
        if stdin is not None and process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(stdin)
                await process.stdin.drain()
            process.stdin.close()
        yield process
    finally:
        await stop(process, politely=politely)
        transport = process._transport  # type: ignore[attr-defined]  # noqa: SLF001 - nothing public closes its pipes
        transport.close()


async def stop(process: asyncio.subprocess.Process, *, politely: bool = True) -> None:
    """Ends a process: politely first, then for certain."""
    if process.returncode is None and not politely:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    elif process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # whoever outlived the leader of its session


async def run(command: Sequence[str], *, within: float) -> Ended:
    """Runs a program to its end. Raises TimeoutError when that is later than ``within`` seconds from now."""
    with tempfile.TemporaryFile() as errors:
        before = _children_cpu()
        async with running(command, stderr=errors) as process, asyncio.timeout(within):
            assert process.stdout is not None
            output = await process.stdout.read()
            code = await process.wait()
        errors.seek(0)
        return Ended(
            code,
            output.decode(errors="replace"),
            errors.read().decode(errors="replace"),
            _children_cpu() - before,
        )


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end_with_parent() -> None:
    """Between fork and exec: the kernel ends the child when the benchmark dies, even by SIGKILL."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
