"""Observes a target that runs on this machine: its processes, their CPU time and memory, and a Headgate's event loops.

The processes are found by the listening socket that they hold, so that a URL is all it takes, for any gateway.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from gateway.benchmark.cpu import process_time
from gateway.benchmark.generators import Place
from gateway.benchmark.memory import Memory, process_memory

_PROC = Path("/proc")
_LISTENING = "0A"  # TCP_LISTEN, linux/tcp_states.h
_ASK_SECONDS = 0.5
_MAX_STATUS_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far, or within a time."""

    cpu_seconds: float = 0.0
    waited_seconds: float = 0.0
    """Time in which it wanted a CPU and others had it."""

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu_seconds - other.cpu_seconds, self.waited_seconds - other.waited_seconds)


@dataclass(frozen=True, slots=True)
class Local:
    """A target's processes on this machine."""

    pids: tuple[int, ...]
    """Supervisor or master first."""
    name: str
    admin: tuple[str, int] | None = None
    """A Headgate's admin API, if it has one that answers."""

    def usage(self) -> dict[int, Usage]:
        """What each of them that still lives has used so far, by pid."""
        used = {}
        for pid in self.pids:
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                used[pid] = Usage(process_time(pid).total, _waited(pid))
        return used

    def memory(self) -> Memory:
        """Memory of all of them; nothing where the system does not tell."""
        total = Memory()
        for pid in self.pids:
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                total += process_memory(pid)
        return total

    def heartbeat_age(self) -> float | None:
        """Seconds since the least recent heartbeat of a worker; its event loop beats every 50 ms. None if unknown."""
        document = _status(*self.admin) if self.admin is not None else None
        workers = document.get("workers") if document is not None else None
        ages = [
            worker.get("heartbeat_age_seconds")
            for worker in (workers if isinstance(workers, list) else [])
            if isinstance(worker, dict)
        ]
        known = [float(age) for age in ages if isinstance(age, int | float)]
        return max(known, default=None)


@dataclass(frozen=True, slots=True)
class _Listener:
    address: str
    port: int
    inode: int


@dataclass(slots=True)
class _Holder:
    pid: int
    parent: int
    inodes: set[int] = field(default_factory=set)


def find_local(place: Place, admin: str | None = None) -> Local | None:
    """The processes that hold the target's listening socket; None when it is elsewhere or belongs to somebody else.

    ``admin`` is the URL of a Headgate's admin API; otherwise it is looked for among the sockets of the same process.
    """
    address, port = str(place.address[0]), int(str(place.address[1]))
    if not _is_here(address):
        return None
    listeners = list(_listeners())
    wanted = {one.inode for one in listeners if one.port == port}
    holders = [holder for holder in _holders() if holder.inodes & wanted]
    if not holders:
        return None
    pids = {holder.pid for holder in holders}
    first = next((holder for holder in holders if holder.parent not in pids), holders[0])
    ordered = (first.pid, *sorted(pids - {first.pid}))
    others = [one for one in listeners if one.inode in first.inodes and one.port != port]
    return Local(ordered, _command(first.pid), _admin(others, admin))


def _is_here(address: str) -> bool:
    """Whether an address belongs to this machine."""
    with suppress(ValueError):
        if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            return True
    table = (_PROC / "net/fib_trie").read_text() if (_PROC / "net/fib_trie").exists() else ""
    return f"|-- {address}\n           /32 host LOCAL" in table


def _listeners() -> Iterator[_Listener]:
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENING:
                    address, port = words[1].split(":")
                    yield _Listener(address, int(port, 16), int(words[9]))


def _holders() -> Iterator[_Holder]:
    """Every process whose descriptors may be read, with its sockets."""
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            holder = _Holder(int(folder.name), parent)
            for descriptor in (folder / "fd").iterdir():
                with suppress(FileNotFoundError):
                    link = str(descriptor.readlink())
                    if link.startswith("socket:["):
                        holder.inodes.add(int(link[8:-1]))
            yield holder


def _admin(others: Iterable[_Listener], named: str | None) -> tuple[str, int] | None:
    if named is not None:
        parts = urlsplit(named if "//" in named else f"//{named}")
        with suppress(ValueError):
            if parts.hostname and parts.port:
                return parts.hostname, parts.port
        return None
    for one in others:
        document = _status("127.0.0.1", one.port)
        if document is not None and "workers" in document and "epoch" in document:
            return "127.0.0.1", one.port
    return None


def _status(host: str, port: int) -> dict[str, object] | None:
    connection = HTTPConnection(host, port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/v1/status")
        response = connection.getresponse()
        document = orjson.loads(response.read(_MAX_STATUS_BYTES))
    except (OSError, HTTPException, orjson.JSONDecodeError):
        return None
    finally:
        connection.close()
    return document if isinstance(document, dict) else None


def _waited(pid: int) -> float:
    """Seconds that the threads of a process were ready and had no CPU (Documentation/scheduler/sched-stats.rst)."""
    return sum(
        int(thread.read_text().split()[1]) / 1e9 for thread in (_PROC / str(pid) / "task").glob("*/schedstat")
    )


def _command(pid: int) -> str:
    with suppress(OSError):
        return (_PROC / str(pid) / "comm").read_text().strip()
    return "?"
