"""The waiting line of a worker: who waits for a place on an instance, or for a token of a limit that gateways share, is asked
again when it may have come.
"""

import os
from collections.abc import Callable
from typing import Any

from gateway.clock import monotonic_ns
from gateway.state.lane import Lane

ASKED_A_TURN = 32
"""Connections; each takes some 50 µs, and up to 100 where its exchange ends."""


class WaitingLine:
    """Rounds of turns. Which connection is next, and whether there is a place for it, is the engine's to say."""

    def __init__(
        self, lane: Lane, take_turn: Callable[[int], None], soon: Callable[[Callable[[], None]], Any]
    ) -> None:
        """``take_turn`` asks the connection of a number; it does not raise. ``soon``: in the loop's next turn."""
        self._lane = lane
        self._take_turn = take_turn
        self._soon = soon
        self._goes_on = False

    def woken(self, wake: int) -> None:
        """Another worker, or this one, has given a place back, or the supervisor an answer, and says so by this eventfd."""
        self._begin_round(os.eventfd_read(wake))

    def go_on(self) -> None:
        """Whoever waits is asked, until there is no place. The tick does so, for places that nobody tells of: an
        instance has come or recovered, a limit was raised, a worker has died.
        """
        self._begin_round(None)

    def _begin_round(self, news: int | None) -> None:
        if not self._lane.has_waiting:
            return
        self._lane.begin_round(news)
        if not self._goes_on:
            self._ask()

    def _ask(self) -> None:
        """A few of them, and the others in the loop's next turn: all may have to be told that there is no instance any more."""
        self._goes_on = False
        for _ in range(ASKED_A_TURN):
            index = self._lane.next_turn(monotonic_ns())
            if index is None:
                return
            self._take_turn(index)
        self._goes_on = True
        self._soon(self._ask)
