"""What a service's members are when several sources name them."""

from gateway.model import InstanceAddress
from gateway.supervisor.discovery.merge import Member, Merge

A, B, C = (Member(InstanceAddress.parse(f"10.0.0.{number}:80")) for number in (1, 2, 3))
HEAVY_A = Member(A.address, weight=5)


def test_sources_are_joined_in_the_order_of_the_file() -> None:
    """What each source named last stands together, whichever spoke first."""
    merge = Merge(2)
    assert merge.update(1, [C]) == (C,)
    assert merge.update(0, [A, B]) == (A, B, C)
    assert merge.update(1, [B]) == (A, B)


def test_an_empty_set_is_never_applied() -> None:
    """A source that lost its data leaves the last good set."""
    merge = Merge(1)
    assert merge.update(0, []) is None
    assert merge.update(0, [A]) == (A,)
    assert merge.update(0, []) is None
    assert merge.update(0, [A, B]) == (A, B)


def test_what_did_not_change_is_not_reported() -> None:
    """The same set twice is one change."""
    merge = Merge(1)
    assert merge.update(0, [A]) == (A,)
    assert merge.update(0, [A]) is None


def test_the_first_mention_of_an_address_has_the_say() -> None:
    """Weight and cap come from where the address stands first."""
    merge = Merge(2)
    merge.update(1, [HEAVY_A])
    assert merge.update(0, [A]) == (A,)
