"""The life of the gateway as a table: starting, ready, draining, stopped."""

from enum import StrEnum


class State(StrEnum):
    """Where the gateway is in its life; ``/ready`` names it when the answer is no."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"


class Event(StrEnum):
    """What moves it on."""

    SERVING = "serving"
    """Every worker serves its sockets for the first time."""
    TERMINATE = "terminate"
    """SIGTERM or SIGINT."""
    FAILED = "failed"
    """It could not start."""
    EMPTY = "empty"
    """The last worker has gone, or the time for the drain is over."""


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.STARTING, Event.SERVING): State.READY,
    (State.STARTING, Event.TERMINATE): State.DRAINING,
    (State.STARTING, Event.FAILED): State.STOPPED,
    (State.READY, Event.TERMINATE): State.DRAINING,
    (State.DRAINING, Event.TERMINATE): State.STOPPED,  # the operator has no patience: end at once
    (State.DRAINING, Event.EMPTY): State.STOPPED,
}


def after(state: State, event: Event) -> State:
    """The next state; an event that means nothing in a state leaves it as it is."""
    return TRANSITIONS.get((state, event), state)
