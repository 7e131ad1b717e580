"""What is seen of a target and its machine, from readings that were made up."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.benchmark import observer
from gateway.benchmark.observer import Observer


def test_a_machine_is_used_wholly_at_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sums of fractions the busy seconds may come out longer than all there were."""
    readings = iter([(0.0, 0.0), (0.3, 0.1), (0.4, 0.3)])
    monkeypatch.setattr(observer, "machine_seconds", lambda: next(readings))
    local = SimpleNamespace(usage=dict, memory=lambda: SimpleNamespace(proportional=1))
    observing = Observer(cast("Any", local))
    shares = [seen.machine_share for _ in range(2) if (seen := observing.look()) is not None]
    assert shares == [1.0, pytest.approx(0.5)]
