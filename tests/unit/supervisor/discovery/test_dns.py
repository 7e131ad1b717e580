"""Instances behind a DNS name, with a resolver that answers from a list."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from gateway.model import InstanceAddress
from gateway.supervisor.discovery import dns
from gateway.supervisor.discovery.merge import Member
from tests.helpers.patience import eventually

NAME = Member(InstanceAddress.parse("api.internal:8080"), weight=3, max_in_flight=7)


@pytest.mark.parametrize(
    ("addresses", "members"),
    [
        (["10.0.0.2", "10.0.0.1", "10.0.0.2"], ["10.0.0.1:8080", "10.0.0.2:8080"]),
        (["::1", "127.0.0.1"], ["127.0.0.1:8080"]),
        (["fd00::1", "fd00:0::1"], ["[fd00::1]:8080"]),
        (["fe80::1%eth0"], []),
        ([], []),
    ],
    ids=["sorted, once each", "IPv4 where there are both", "IPv6 in brackets", "no zone", "none"],
)
def test_the_members_behind_a_name(addresses: list[str], members: list[str]) -> None:
    """Every usable address is a member with the port, weight and cap that stand at the name."""
    found = dns.members_of(NAME, addresses)
    assert [str(member.address) for member in found] == members
    assert all((member.weight, member.max_in_flight) == (3, 7) for member in found)


async def test_a_name_is_followed_through_failures(caplog: pytest.LogCaptureFixture) -> None:
    """It is asked at once and after each jittered interval; a failure reports nothing and is logged once."""
    caplog.set_level(logging.WARNING, "headgate.discovery")
    answers: list[list[str] | OSError] = [["10.0.0.1"], OSError(-2, "no"), OSError(-2, "no"), ["10.0.0.2"]]
    found: list[str] = []
    naps: list[float] = []

    async def lookup(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("api.internal", 8080)
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if not answers:
            await asyncio.Event().wait()

    task = asyncio.create_task(
        dns.watch(
            NAME,
            lambda members: found.extend(str(member.address) for member in members),
            draw=lambda: 0.0,
            lookup=lookup,
            sleep=sleep,
        )
    )
    await eventually(lambda: len(naps) == 4)
    task.cancel()
    assert found == ["10.0.0.1:8080", "10.0.0.2:8080"]
    assert naps == [pytest.approx(24.0)] * 4
    assert [record.getMessage() for record in caplog.records] == ["cannot resolve api.internal: no"]
