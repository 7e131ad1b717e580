"""What the kernel says of TCP on this machine: the sockets of a port, who holds them, and what it has counted."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
    "LISTEN", "CLOSING", "SYN_RECV",
)  # fmt: skip
"""By number (<net/tcp_states.h>). The last one is a connection whose handshake goes on."""
_TIME_WAIT = " 06 "


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """A row of /proc/net/tcp (proc_pid_net(5))."""

    local: int
    """Its port."""
    remote: int
    state: str
    unacknowledged: int
    """Bytes that were written and have not arrived."""
    unread: int
    """Bytes that have arrived and were not read; of a listening socket, connections that wait to be accepted."""
    retransmissions: int
    inode: int
    """0 for a connection that nobody has accepted yet, or has any more."""

    @classmethod
    def parse(cls, row: str) -> Self:
        """Numbers are hexadecimal, up to the columns behind the retransmissions."""
        fields = row.split()
        local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
        unacknowledged, unread = (int(count, 16) for count in fields[4].split(":"))
        state = _STATES[int(fields[3], 16)]
        return cls(local, remote, state, unacknowledged, unread, int(fields[6], 16), int(fields[9]))

    def describe(self, holders: Mapping[int, str]) -> str:
        """One line; ``holders`` as ``holders_of`` returns them."""
        if self.state == "LISTEN":
            return f"{self.local} LISTEN, {self.unread} wait to be accepted"
        holder = holders.get(self.inode, "somebody else") if self.inode else "nobody"
        return (
            f"{self.local} → {self.remote} {self.state}, {self.unacknowledged} bytes unacknowledged, "
            f"{self.unread} unread, {self.retransmissions} retransmissions, held by {holder}"
        )


def sockets_of(ports: Collection[int]) -> list[TcpSocket]:
    """Those at one end or the other of which is one of these ports; none that only waits for its time to be over."""
    with Path("/proc/net/tcp").open() as table:
        next(table)
        # After some thousand connections nearly all rows are of that kind: they are not taken apart.
        found = [TcpSocket.parse(row) for row in table if _TIME_WAIT not in row]
    return [one for one in found if not {one.local, one.remote}.isdisjoint(ports)]


def holders_of(processes: Mapping[str, int]) -> dict[int, str]:
    """The inodes of all sockets that these processes (name → pid) have open, each with the names of its holders."""
    holders: dict[int, str] = {}
    for name, pid in processes.items():
        for inode in _open_sockets(pid):
            holders[inode] = f"{holders[inode]}, {name}" if inode in holders else name
    return holders


def _open_sockets(pid: int) -> set[int]:
    inodes = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            kind, _, inode = entry.readlink().name.partition(":[")
            if kind == "socket":
                inodes.add(int(inode.rstrip("]")))
    except OSError:
        pass  # the process, or the descriptor, is gone
    return inodes


def tcp_counters() -> Counter[str]:
    """Every count of events, as ``nstat`` names them: of the whole network namespace."""
    counters: Counter[str] = Counter()
    for path, families in (("/proc/net/snmp", {"Tcp:"}), ("/proc/net/netstat", {"TcpExt:"})):
        lines = Path(path).read_text().splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=True):
            family, *columns = names.split()
            if family in families:
                prefix = family[:-1]
                counted = zip(columns, map(int, values.split()[1:]), strict=True)
                counters.update({f"{prefix}{column}": value for column, value in counted})
    return counters
