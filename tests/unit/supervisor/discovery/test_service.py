"""Discovery as a whole, with names that are followed by the test."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.model import InstanceAddress
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.discovery.service import DiscoveryService
from tests.helpers.patience import eventually

FIXED = Member(InstanceAddress.parse("10.0.0.9:80"))
NAME = Member(InstanceAddress.parse("api.internal:80"))
FOUND = Member(InstanceAddress.parse("10.0.0.1:80"))


async def test_fixed_addresses_do_not_wait_for_names() -> None:
    """What stands in the file is reported at once; a name adds its members when it answers, and ends with close."""
    changes: list[tuple[str, tuple[Member, ...]]] = []
    report: list[Callable[[Sequence[Member]], None]] = []
    ended = asyncio.Event()

    async def watch(name: Member, found: Callable[[Sequence[Member]], None]) -> None:
        assert name == NAME
        report.append(found)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    service = DiscoveryService(lambda name, members: changes.append((name, members)), watch)
    service.add("api", [NAME, FIXED])
    assert changes == [("api", (FIXED,))]
    await eventually(lambda: report)
    report[0]([FOUND])
    report[0]([FOUND])
    assert changes[1:] == [("api", (FIXED, FOUND))]
    await service.close()
    assert ended.is_set()
