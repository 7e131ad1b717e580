"""Memory accounting: what a process group holds, as the kernel counts it in /proc."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.benchmark.cpu import group_time

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes."""

    resident: int = 0
    """Resident pages; those that several processes share count for each of them."""
    proportional: int = 0
    """Resident pages; those that several processes share count once in the sum over these processes (PSS)."""

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.resident + other.resident, self.proportional + other.proportional)

    def __sub__(self, other: "Memory") -> "Memory":
        return Memory(self.resident - other.resident, self.proportional - other.proportional)


def parse_rollup(text: str) -> Memory:
    """Reads /proc/PID/smaps_rollup (proc(5)). Raises LookupError when a line is missing."""
    kilobytes = dict(_sizes(text.splitlines()))
    return Memory(resident=kilobytes["Rss"] * 1024, proportional=kilobytes["Pss"] * 1024)


def group_memory(group: int) -> Memory:
    """What all living processes of a group hold; one that ends meanwhile holds nothing."""
    held = Memory()
    for pid in group_time(group).pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            held += process_memory(pid)
    return held


def process_memory(pid: int) -> Memory:
    """What one living process holds. Raises OSError when it is gone, or not to be read."""
    return parse_rollup((_PROC / str(pid) / "smaps_rollup").read_text())


def _sizes(lines: Iterable[str]) -> Iterable[tuple[str, int]]:
    for line in lines:
        name, _, rest = line.partition(":")
        amount, _, unit = rest.strip().partition(" ")
        if unit == "kB":
            yield name, int(amount)
