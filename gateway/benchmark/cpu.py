"""CPU accounting: what a process group and a core have used so far, as the kernel counts it in /proc."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds of CPU time."""

    user: float = 0.0
    system: float = 0.0

    @property
    def total(self) -> float:
        """User and system time together."""
        return self.user + self.system

    def __add__(self, other: "CpuTime") -> "CpuTime":
        return CpuTime(self.user + other.user, self.system + other.system)

    def __sub__(self, other: "CpuTime") -> "CpuTime":
        return CpuTime(self.user - other.user, self.system - other.system)


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """The fields of /proc/PID/stat that accounting needs; the times cover all threads of the process."""

    pid: int
    group: int
    own: CpuTime
    reaped: CpuTime
    """Time of children that have ended and were waited for."""


@dataclass(frozen=True, slots=True)
class GroupTime:
    """CPU time of a process group, by who used it."""

    leader: CpuTime
    """The process that was started: the supervisor, the master, or the only one there is."""
    others: CpuTime
    """All further processes of the group: the workers."""
    pids: frozenset[int]

    @property
    def total(self) -> CpuTime:
        """The time of the whole group."""
        return self.leader + self.others


def parse_stat(line: str) -> ProcessStat:
    """Reads one line of /proc/PID/stat (proc(5)); the command name may hold blanks and parentheses."""
    pid, _, rest = line.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    user, system, reaped_user, reaped_system = (int(ticks) / _TICKS_PER_SECOND for ticks in fields[11:15])
    return ProcessStat(
        pid=int(pid),
        group=int(fields[2]),
        own=CpuTime(user, system),
        reaped=CpuTime(reaped_user, reaped_system),
    )


def parse_schedstat(text: str) -> float:
    """Seconds that one thread has run, from the text of /proc/PID/task/TID/schedstat: kept in nanoseconds."""
    return int(text.split(maxsplit=1)[0]) / 1e9


def scaled(ticked: CpuTime, ran: float) -> CpuTime:
    """A time in whole ticks, made as long as the scheduler says and split as the ticks are.

    Ticks of 10 ms are 0.5 % of a measurement of 2 s. The threads that run know nothing of those that have ended, so the
    longer of both is right.
    """
    if ran <= ticked.total:
        return ticked
    share = ticked.user / ticked.total if ticked.total else 0.0
    return CpuTime(ran * share, ran * (1 - share))


def group_time(group: int) -> GroupTime:
    """What all living processes of a group, and their ended children, have used so far."""
    members = [_precise(stat) for stat in _all_processes() if stat.group == group]
    leader = sum((stat.own for stat in members if stat.pid == group), CpuTime())
    reaped = sum((stat.reaped for stat in members), CpuTime())
    workers = sum((stat.own for stat in members if stat.pid != group), CpuTime())
    return GroupTime(leader=leader, others=workers + reaped, pids=frozenset(stat.pid for stat in members))


def process_time(pid: int) -> CpuTime:
    """What one living process has used so far. Raises OSError when it is gone, or not to be read."""
    return _precise(parse_stat((_PROC / str(pid) / "stat").read_text())).own


def parse_machine(text: str) -> tuple[float, float]:
    """Seconds since boot that all cores together were (not idle, there), from the text of /proc/stat."""
    user, nice, system, idle, iowait, irq, softirq = (int(tick) for tick in text.split(maxsplit=8)[1:8])
    busy = user + nice + system + irq + softirq
    return busy / _TICKS_PER_SECOND, (busy + idle + iowait) / _TICKS_PER_SECOND


def machine_seconds() -> tuple[float, float]:
    """Seconds since boot that all cores together were (not idle, there)."""
    return parse_machine((_PROC / "stat").read_text())


def parse_core_busy(text: str, core: int) -> float:
    """Seconds that a core was not idle, from the text of /proc/stat. Raises LookupError for an unknown core."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = _core_ticks(text, core)
    return (user + nice + system + irq + softirq) / _TICKS_PER_SECOND


def core_busy_seconds(core: int) -> float:
    """Seconds since boot that a core was not idle, whoever used it."""
    return parse_core_busy((_PROC / "stat").read_text(), core)


def parse_core_stolen(text: str, core: int) -> float:
    """Seconds that a virtual core wanted to run and did not, from the text of /proc/stat. Raises LookupError for an unknown core."""
    return _core_ticks(text, core)[7] / _TICKS_PER_SECOND


def core_stolen_seconds(core: int) -> float:
    """Seconds since boot that a virtual core wanted to run and its host ran something else; 0 on a machine of its own."""
    return parse_core_stolen((_PROC / "stat").read_text(), core)


def _core_ticks(text: str, core: int) -> list[int]:
    for line in text.splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            return [int(tick) for tick in ticks]
    raise LookupError(f"/proc/stat knows no core {core}")


def _precise(stat: ProcessStat) -> ProcessStat:
    ran = 0.0
    for thread in (_PROC / str(stat.pid) / "task").glob("*/schedstat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # ended between the listing and the reading
            ran += parse_schedstat(thread.read_text())
    return replace(stat, own=scaled(stat.own, ran))


def _all_processes() -> list[ProcessStat]:
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                found.append(parse_stat((entry / "stat").read_text()))
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended between the listing and the reading
    return found
