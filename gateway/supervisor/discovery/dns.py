"""Resolves the name of an instance again and again; every address it has is an instance of its own."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from gateway.model import AddressKind, InstanceAddress
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.jitter import jittered

logger = logging.getLogger("headgate.discovery")

INTERVAL_S = 30.0  # getaddrinfo tells no TTL; as often as most resolvers ask again
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a name by the system's resolver, in a thread of the loop. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(target[0]) for *_, target in found]


def members_of(name: Member, addresses: Sequence[str]) -> list[Member]:
    """One member per address, sorted, so that the order in which a resolver rotates them is no change.

    IPv4 only where a name has both: the two are mostly the same process, and often only the first is listened on.
    """
    known = {ip_address(address) for address in addresses if "%" not in address}
    version = 4 if any(address.version == 4 for address in known) else 6
    chosen = sorted(str(address) for address in known if address.version == version)
    port = name.address.port
    return [replace(name, address=InstanceAddress(AddressKind.IP, host=host, port=port)) for host in chosen]


async def watch(
    name: Member,
    found: Callable[[Sequence[Member]], None],
    *,
    draw: Callable[[], float],
    lookup: Resolve = resolve,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Reports the members behind a name at once and every 30 s ±20 %, until cancelled; a failure reports nothing."""
    failing = False
    while True:
        try:
            found(members_of(name, await lookup(name.address.host, name.address.port)))
            failing = False
        except OSError as error:
            if not failing:  # once per outage: the log of a gateway must not fill with the same line
                logger.warning("cannot resolve %s: %s", name.address.host, error.strerror or error)
            failing = True
        await sleep(jittered(INTERVAL_S, draw()))
