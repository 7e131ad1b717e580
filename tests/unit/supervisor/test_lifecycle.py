"""The life of the gateway, every state with every event."""

from itertools import product

import pytest

from gateway.supervisor.lifecycle import Event, State, after

CHANGES = {
    (State.STARTING, Event.SERVING): State.READY,
    (State.STARTING, Event.TERMINATE): State.DRAINING,
    (State.STARTING, Event.FAILED): State.STOPPED,
    (State.READY, Event.TERMINATE): State.DRAINING,
    (State.DRAINING, Event.TERMINATE): State.STOPPED,
    (State.DRAINING, Event.EMPTY): State.STOPPED,
}


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_a_state_and_an_event(state: State, event: Event) -> None:
    """What is listed changes the state; everything else leaves it, and nothing leads out of the end."""
    assert after(state, event) is CHANGES.get((state, event), state)
