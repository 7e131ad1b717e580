"""Networks of IP addresses as a configuration names them."""

from collections.abc import Iterator, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from gateway.errors import InvalidValueError
from gateway.model import whole_number

FORMS = 'a network, such as "10.0.0.0/8" or "fd00::/8", or a single address'

Network = IPv4Network | IPv6Network


def read_network(text: str) -> Network:
    """Reads ``10.0.0.0/8``, ``fd00::/8`` or a single address. Raises InvalidValueError."""
    written, slash, prefix = text.partition("/")
    address = _address(written)
    bits = whole_number(prefix, 0, address.max_prefixlen) if slash else address.max_prefixlen
    if bits is None:
        raise InvalidValueError(f"{FORMS}, with a prefix of 0 to {address.max_prefixlen} bits")
    kind = IPv4Network if isinstance(address, IPv4Address) else IPv6Network
    network = kind((int(address), bits), strict=False)
    if network.network_address != address:
        raise InvalidValueError("a network without bits behind its prefix", f'write "{network}"')
    return network


def contained(networks: Sequence[Network]) -> Iterator[tuple[int, int]]:
    """The index of every network that lies within another, and the index of that; of equal ones the first stays."""

    def place(index: int) -> tuple[int, int, int, int]:
        network = networks[index]
        return network.version, int(network.network_address), network.prefixlen, index

    outer = None
    for index in sorted(range(len(networks)), key=place):  # what a network contains follows it without a gap
        network = networks[index]
        if outer is not None and contains(networks[outer], network):
            yield index, outer
        else:
            outer = index


def contains(outer: Network, inner: Network) -> bool:
    """Does every address of ``inner`` lie in ``outer``?"""
    return (
        outer.version == inner.version and int(outer[0]) <= int(inner[0]) and int(inner[-1]) <= int(outer[-1])
    )


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        if ":" not in text:
            return IPv4Address(text)
        address = IPv6Address(text)
    except AddressValueError:
        raise InvalidValueError(FORMS) from None
    if address.scope_id is not None:
        raise InvalidValueError(FORMS, "an address of a network has no zone")
    if address.ipv4_mapped is not None:
        raise InvalidValueError(FORMS, "write an IPv4-mapped address as the IPv4 address")
    return address
