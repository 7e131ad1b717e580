"""Reading of CPU times from /proc."""

import os
from collections.abc import Callable

import pytest

from gateway.benchmark.cpu import (
    CpuTime,
    group_time,
    parse_core_busy,
    parse_core_stolen,
    parse_schedstat,
    parse_stat,
    scaled,
)

TICK = 1 / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("command", ["nginx", "a b", "a) b (c", ") R 1 2"])
def test_stat_with_any_command_name(command: str) -> None:
    """The fields are found behind the last parenthesis, whatever a process calls itself."""
    line = f"4242 ({command}) S 1 4240 4240 0 -1 4194560 99 0 0 0 150 250 3 4 20 0 1 0 5000 1000 10\n"
    stat = parse_stat(line)
    assert (stat.pid, stat.group) == (4242, 4240)
    assert (stat.own.user, stat.own.system) == pytest.approx((150 * TICK, 250 * TICK))
    assert (stat.reaped.user, stat.reaped.system) == pytest.approx((3 * TICK, 4 * TICK))


def test_core_busy_leaves_out_idle_and_waiting() -> None:
    """Idle time and waiting for disks are not use of the core; interrupts are."""
    text = "cpu  9 9 9 9 9 9 9 0 0 0\ncpu0 1 2 3 1000 500 4 5 0 0 0\ncpu1 10 20 30 1000 500 40 50 0 0 0\nintr 1 2\n"
    assert parse_core_busy(text, 0) == pytest.approx(15 * TICK)
    assert parse_core_busy(text, 1) == pytest.approx(150 * TICK)


def test_core_stolen_is_what_the_host_took() -> None:
    """Of that core alone; neither what it was busy with nor what guests of its own had."""
    text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 1000 500 4 5 6 7 8\ncpu1 1 2 3 1000 500 4 5 60 7 8\n"
    assert parse_core_stolen(text, 0) == pytest.approx(6 * TICK)
    assert parse_core_stolen(text, 1) == pytest.approx(60 * TICK)


@pytest.mark.parametrize("parse", [parse_core_busy, parse_core_stolen])
def test_unknown_core(parse: Callable[[str, int], float]) -> None:
    """A core that the kernel does not list is an error, not an idle core."""
    with pytest.raises(LookupError, match="no core 7"):
        parse("cpu0 1 2 3 4 5 6 7 8 9 10\n", 7)


def test_own_group() -> None:
    """The group of the test's own process contains it and has used time."""
    found = group_time(os.getpgrp())
    assert os.getpid() in found.pids
    assert found.total.total > 0


def test_difference() -> None:
    """Times subtract and add by kind."""
    used = CpuTime(3.0, 5.0) - CpuTime(1.0, 2.0)
    assert used == CpuTime(2.0, 3.0)
    assert (used + CpuTime(1.0, 1.0)).total == pytest.approx(7.0)


def test_schedstat() -> None:
    """The first number is the time on a core; waiting and time slices do not count."""
    assert parse_schedstat("2500000000 123456789 42\n") == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("ticked", "ran", "expected"),
    [
        (CpuTime(1.0, 3.0), 4.008, CpuTime(1.002, 3.006)),
        (CpuTime(0.0, 0.0), 0.004, CpuTime(0.0, 0.004)),
        (CpuTime(1.0, 3.0), 2.5, CpuTime(1.0, 3.0)),
    ],
)
def test_ticks_are_made_precise(ticked: CpuTime, ran: float, expected: CpuTime) -> None:
    """The scheduler's sum is split as the ticks are, unless threads have ended and taken their time with them."""
    found = scaled(ticked, ran)
    assert (found.user, found.system) == pytest.approx((expected.user, expected.system))
