"""``headgate run`` with a registry whose members come and go: ``python -m bench.churn.command MEMBERS CHANGES run FILE``.

The instances that the file has by name are led to so many members each, of which so many change in a second. A member
is a loopback address, so that one origin stands behind all of them.
"""

import asyncio
import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.cli import main
from gateway.model import AddressKind, InstanceAddress
from gateway.supervisor.discovery import dns
from gateway.supervisor.discovery.merge import Member

INTERVAL_S = 0.05
"""Between two reports: as registries do, the source gathers what comes within a moment."""
_SPARE = 5
"""One of so many is away at any time."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Reports members in the place of ``dns.watch``."""

    members: int
    changes: int
    """In a second: one that leaves is one, and so is one that comes."""

    async def watch(self, name: Member, found: Callable[[Sequence[Member]], None], **_dns: Any) -> None:
        """Until cancelled; who leaves comes back when all others have been away."""
        draw = random.Random(42)
        everybody = [_member(name, number) for number in range(self.members + self.members // _SPARE)]
        present, away = everybody[: self.members], deque(everybody[self.members :])
        loop = asyncio.get_running_loop()
        due, owed = loop.time(), 0.0
        while True:
            found(tuple(present))
            due += INTERVAL_S
            owed += self.changes * INTERVAL_S / 2
            for _ in range(int(owed)):
                place = draw.randrange(len(present))
                away.append(present[place])
                present[place] = away.popleft()
            owed %= 1
            await asyncio.sleep(due - loop.time())


def _member(name: Member, number: int) -> Member:
    host = f"127.{1 + (number >> 16)}.{number >> 8 & 0xFF}.{number & 0xFF}"
    return replace(name, address=InstanceAddress(AddressKind.IP, host=host, port=name.address.port))


if __name__ == "__main__":
    dns.watch = Registry(int(sys.argv.pop(1)), int(sys.argv.pop(1))).watch
    main()
