"""Who serves the sockets of a slot without a worker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.supervisor.adoption import Order, Verb, settle

ADOPT, RELEASE = Verb.ADOPT, Verb.RELEASE


@pytest.mark.parametrize(
    ("slots", "ready", "before", "after", "orders"),
    [
        (2, {0, 1}, {}, {}, ()),
        (2, {0}, {}, {1: 0}, (Order(0, ADOPT, 1),)),
        (2, {1}, {}, {0: 1}, (Order(1, ADOPT, 0),)),
        (2, {0}, {1: 0}, {1: 0}, ()),
        (2, {0, 1}, {1: 0}, {}, (Order(0, RELEASE, 1),)),
        (1, set(), {}, {}, ()),
        (2, set(), {1: 0}, {}, (Order(0, RELEASE, 1),)),
        (3, {2}, {0: 1}, {0: 2, 1: 2}, (Order(1, RELEASE, 0), Order(2, ADOPT, 0), Order(2, ADOPT, 1))),
        (4, {1, 3}, {}, {0: 1, 2: 3}, (Order(1, ADOPT, 0), Order(3, ADOPT, 2))),
        (3, {0, 2}, {0: 1}, {1: 2}, (Order(1, RELEASE, 0), Order(2, ADOPT, 1))),
    ],
    ids=[
        "everybody serves", "the one before", "round the end", "keeps its adopter", "the owner is back",
        "alone and gone", "all gone", "the adopter is gone too", "orphans spread", "owner back, adopter gone",
    ],
)  # fmt: skip
def test_a_row_of_the_policy(
    slots: int, ready: set[int], before: dict[int, int], after: dict[int, int], orders: tuple[Order, ...]
) -> None:
    """Each situation leads to the adoptions and to the orders that stand in its row."""
    assert settle(range(slots), ready, before) == (after, orders)


@given(st.lists(st.tuples(st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4))), max_size=20))
def test_whoever_lives_every_socket_is_served_exactly_once(history: list[tuple[set[int], set[int]]]) -> None:
    """Obeying the orders always leads to one server per slot while anybody serves: those who die forget what they
    had adopted, those who are only late obey later.
    """
    adoptions: dict[int, int] = {}
    served: dict[int, set[int]] = {slot: set() for slot in range(5)}  # worker → foreign slots it serves
    for ready, dead in history:
        for worker in dead - ready:
            served[worker].clear()
        adoptions, orders = settle(range(5), ready, adoptions)
        for order in orders:
            assert order.verb is RELEASE or order.worker in ready
            change = served[order.worker].add if order.verb is ADOPT else served[order.worker].discard
            change(order.slot)
        for slot in range(5):
            servers = [worker for worker in ready if worker == slot or slot in served[worker]]
            assert len(servers) == (1 if ready else 0)
