"""The waiting line of a worker: who waits for a place on an instance, or for a token of a limit that gateways share, is asked
again when it may have come.
"""

import os
from collections.abc import Callable

from gateway.clock import monotonic_ns
from gateway.state.lane import Lane


class WaitingLine:
    """Rounds of turns. Which connection is next, and whether there is a place for it, is the engine's to say."""

    def __init__(self, lane: Lane, take_turn: Callable[[int], None]) -> None:
        """``take_turn`` asks the connection of a number; it does not raise."""
        self._lane = lane
        self._take_turn = take_turn

    def woken(self, wake: int) -> None:
        """Another worker, or this one, has given a place back, or the supervisor an answer, and says so by this eventfd."""
        os.eventfd_read(wake)
        self.go_on()

    def go_on(self) -> None:
        """Whoever waits is asked, until there is no place. The tick does so as well, for places that nobody tells of: an
        instance has come or recovered, a limit was raised, a worker has died.
        """
        if not self._lane.has_waiting:
            return
        self._lane.begin_round()
        while (index := self._lane.next_turn(monotonic_ns())) is not None:
            self._take_turn(index)
