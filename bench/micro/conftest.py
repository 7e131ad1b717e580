"""Refuses to time a debug build, gives the sides to every benchmark, times calls, and says how to read the table."""

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TypeVar

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.build import DebugBuildError, require_release
from bench.micro.side import Side

T = TypeVar("T")

ROUND = 1_000
"""Calls of a round."""

MakeSide = Callable[..., Side]
"""Makes a side with ``instances`` and room for so many ``keys``."""


def pytest_configure() -> None:
    """Ends the run before anything is collected."""
    try:
        require_release()
    except DebugBuildError as error:
        pytest.exit(str(error), returncode=1)


def pytest_report_header() -> str:
    """The unit of everything below."""
    return "benchmarks: a round is 1,000 calls, so microseconds a round are nanoseconds a call"


@pytest.fixture(params=["headgate", "plain"])
def make_side(request: pytest.FixtureRequest) -> MakeSide:
    """Makes the side whose turn it is; imported late, after the build has been found fit."""
    from bench.micro.headgate import HeadgateSide  # noqa: PLC0415
    from bench.micro.plain import PlainSide  # noqa: PLC0415

    if request.param == "headgate":
        return HeadgateSide
    return lambda instances=2, **_room: PlainSide(instances=instances)


def time_rounds(
    benchmark: BenchmarkFixture, group: str, calls: Callable[[Sequence[T]], None], arguments: Sequence[T]
) -> None:
    """Times rounds of ``calls``, each with the next 1,000 arguments; when they are used up, they come again.

    So a round over a million keys finds no more of them in the processor's caches than a gateway would.
    """
    benchmark.group = group
    repeated = list(arguments) * -(-ROUND // len(arguments))
    starts = range(0, len(repeated) - ROUND + 1, ROUND)
    rounds = cycle([repeated[start : start + ROUND] for start in starts])
    benchmark(lambda: calls(next(rounds)))
