"""When a slot of shared memory may have another occupant."""

import pytest

from gateway.model import InstanceAddress
from gateway.supervisor.slots import AGE_NS, NoSlotError, Slot, Slots

A = ("api", InstanceAddress.parse("10.0.0.1:80"))
B = ("api", InstanceAddress.parse("10.0.0.2:80"))


def _retired() -> Slots:
    """One slot in all, which A left at time 0 with membership 5."""
    slots = Slots(1)
    slot, _ = slots.take(A)
    slots.retire(A, slot, now=0, membership=5)
    return slots


def test_slots_are_given_out_once_and_generations_begin_with_one() -> None:
    """No two instances share a slot, and no key is 0; beyond the capacity there is none."""
    slots = Slots(2)
    assert slots.take(A) == (Slot(0, 1), False)
    assert slots.take(B) == (Slot(1, 1), False)
    with pytest.raises(NoSlotError, match="max_instances"):
        slots.take(("web", A[1]))


def test_an_instance_that_comes_back_finds_its_slot() -> None:
    """Discovery churn loses nothing: same slot, same generation, its own state."""
    assert _retired().take(A) == (Slot(0, 1), True)


@pytest.mark.parametrize(
    ("now", "seen", "in_flight", "freed"),
    [
        (AGE_NS, 5, 0, True),
        (AGE_NS - 1, 5, 0, False),
        (AGE_NS, 4, 0, False),
        (AGE_NS, 5, 1, False),
    ],
    ids=["aged out", "too early", "a worker may still use the bank", "an exchange is under way"],
)
def test_a_slot_is_reused_only_when_nobody_can_still_mean_its_last_occupant(
    now: int, seen: int, in_flight: int, freed: bool
) -> None:
    """Age, membership and in-flight must all allow it; then the next occupant is another generation."""
    slots = _retired()
    slots.reclaim(now=now, seen=seen, in_flight=lambda _: in_flight)
    if freed:
        assert slots.take(B) == (Slot(0, 2), False)
    else:
        with pytest.raises(NoSlotError):
            slots.take(B)


def test_one_that_left_again_stands_behind_those_that_left_meanwhile() -> None:
    """The look for slots to reuse stops at the first young one, so the order must be that of the last leave."""
    slots = Slots(2)
    slots.take(A)
    slots.take(B)
    slots.retire(A, Slot(0, 1), now=0, membership=1)
    slots.retire(B, Slot(1, 1), now=1, membership=2)
    slots.take(A)
    slots.retire(A, Slot(0, 1), now=2, membership=3)
    slots.reclaim(now=AGE_NS + 1, seen=9, in_flight=lambda _: 0)
    assert slots.take(A) == (Slot(0, 1), True)
    assert slots.take(B) == (Slot(1, 2), False)
