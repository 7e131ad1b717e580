"""Tells the instances whose address stands in the configuration from those that a name has to be resolved for."""

from collections.abc import Sequence

from gateway.model import AddressKind
from gateway.supervisor.discovery.merge import Member


def partition(configured: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    """(members that can be used as they stand, members behind a DNS name), each in the order of the file."""
    fixed = [member for member in configured if member.address.kind is not AddressKind.NAME]
    named = [member for member in configured if member.address.kind is AddressKind.NAME]
    return fixed, named
