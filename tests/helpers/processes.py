"""What the tests look up in /proc about processes that they started."""

import contextlib
import ctypes
import os
import platform
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

PR_SET_PDEATHSIG = 1
_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275, "riscv64": 275}
_SCHED_ATTRIBUTES = struct.Struct("@IIQiIQQQ")
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """For ``preexec_fn``: the process is killed when the test run dies, so that nothing is left behind."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still inside, and goes on afterwards if it still exists."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def alive(pid: int) -> bool:
    """Does the process exist and is it no zombie?"""
    try:
        return _status(pid)["State"][0] not in "ZX"
    except (OSError, KeyError):
        return False


def children(pid: int) -> list[int]:
    """The direct children of a process, zombies included."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return sorted(found)


def marked(marker: str) -> list[int]:
    """Live processes whose environment holds ``marker``; how a gateway's descendants are found after its death."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if marker.encode() in environment and alive(int(folder.name)):
                found.append(int(folder.name))
    return found


def private_bytes(pid: int) -> int:
    """Anonymous resident memory of a process: what it does not share."""
    return int(_status(pid)["RssAnon"].split()[0]) * 1024


def open_files(pid: int) -> int:
    """How many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def threads(pid: int) -> int:
    """How many threads a process has."""
    return int(_status(pid)["Threads"])


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc_pid_stat(5)


def page_ins_of(pid: int) -> int:
    """How often a process has waited for a page from disk: its major faults."""
    return int(_stat(pid)[9])


def starved_ms_of(pid: int) -> int:
    """For how many milliseconds the first thread of a process was ready to run and got no processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) // 1_000_000


def _stat(pid: int) -> list[str]:
    """The fields from the third on: the second, a name, may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def scheduling(pid: int = 0) -> tuple[int, int, int]:
    """Policy, nice value and time slice in nanoseconds of a thread, by default the calling one; a slice of 0 is the kernel's."""
    found = ctypes.create_string_buffer(_SCHED_ATTRIBUTES.size)
    assert _LIBC.syscall(_SCHED_GETATTR[platform.machine()], pid, found, len(found), 0) == 0
    _, policy, _, nice, _, runtime, _, _ = _SCHED_ATTRIBUTES.unpack(found.raw)
    return policy, nice, runtime
