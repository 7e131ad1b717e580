"""Refuses to time a debug build, gives both sides to every benchmark, and says how to read the table."""

from collections.abc import Callable

import pytest

from bench.build import DebugBuildError, require_release
from bench.micro.side import Side

MakeSide = Callable[[int, int], Side]
"""(instances, keys) to a side with so many instances and room for so many keys."""


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
        return lambda instances, keys: HeadgateSide(instances=instances, keys=keys)
    return lambda instances, _keys: PlainSide(instances=instances)
