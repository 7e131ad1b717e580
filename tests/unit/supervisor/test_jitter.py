"""The spread of intervals, and what happens together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.supervisor.jitter import GRAIN, in_company, jittered


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_an_interval_is_spread_by_a_fifth_to_either_side(draw: float, seconds: float) -> None:
    """The draw decides, and its middle is the interval itself."""
    assert jittered(5.0, draw) == pytest.approx(seconds)


def test_what_is_due_at_nearly_the_same_time_happens_at_one_moment() -> None:
    """Whenever each of it began to wait; what is due later has the next moment."""
    moments = [now + in_company(delay, 5.0, now) for now, delay in [(99.0, 1.01), (96.0, 4.09), (95.0, 5.11)]]
    assert moments == pytest.approx([100.1, 100.1, 100.2])


@given(st.floats(0.0, 6000.0), st.floats(0.1, 3600.0), st.floats(0.0, 1e7))
def test_company_is_waited_for_a_moment_only(delay: float, interval: float, now: float) -> None:
    """Never less than the delay, and a fiftieth of the interval more at the most, as far as the clock tells."""
    exact = 1e-7
    assert delay - exact <= in_company(delay, interval, now) <= delay + interval * GRAIN + exact
