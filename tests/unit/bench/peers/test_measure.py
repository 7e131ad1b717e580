"""Samples that are taken in turns."""

import pytest

from bench.peers.load import LoadError
from bench.peers.measure import in_turns
from bench.peers.measures import Taking
from bench.peers.rounds import Contender

A, B, C = (Contender(name) for name in "abc")


class Steps:
    """What the samples have done, in its order."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def taking(self, name: str, steps: int, error: Exception | None = None) -> Taking:
        """A sample of so many steps, at whose end it may fail."""
        try:
            for step in range(steps):
                self.done.append(f"{name}{step}")
                yield
            if error is not None:
                raise error
        finally:
            self.done.append(f"{name} ends")
        return {"cost": float(steps)}


def test_each_has_its_turn_and_a_failure_is_its_own() -> None:
    """Nobody goes on before all the others have had theirs."""
    steps, error = Steps(), LoadError("refused")
    takings = {A: steps.taking("a", 2), B: steps.taking("b", 1, error), C: steps.taking("c", 3)}
    assert list(in_turns(takings, list)) == [(B, error), (A, {"cost": 2.0}), (C, {"cost": 3.0})]
    assert steps.done == ["a0", "b0", "c0", "a1", "b ends", "c1", "a ends", "c2", "c ends"]


def test_a_turn_may_have_any_order() -> None:
    """It is asked for with those that take part."""
    steps = Steps()
    takings = {A: steps.taking("a", 1), B: steps.taking("b", 2)}
    assert [one for one, _ in in_turns(takings, lambda some: some[::-1])] == [A, B]
    assert steps.done == ["b0", "a0", "b1", "a ends", "b ends"]


def test_a_fault_ends_all_of_them() -> None:
    """It is no failure of a gateway, and nothing is left standing."""
    steps = Steps()
    takings = {A: steps.taking("a", 5), B: steps.taking("b", 1, ZeroDivisionError())}
    with pytest.raises(ZeroDivisionError):
        list(in_turns(takings, list))
    assert {"a ends", "b ends"} <= set(steps.done)
