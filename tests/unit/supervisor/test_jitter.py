"""The spread of intervals."""

import pytest

from gateway.supervisor.jitter import jittered


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_an_interval_is_spread_by_a_fifth_to_either_side(draw: float, seconds: float) -> None:
    """The draw decides, and its middle is the interval itself."""
    assert jittered(5.0, draw) == pytest.approx(seconds)
