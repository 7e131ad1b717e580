"""Workers ask for short time slices."""

import os
import platform
import threading
from collections.abc import Callable

import pytest

from gateway.worker import time_slice
from gateway.worker.time_slice import SLICE_NS, ask_for_short_slices
from tests.helpers.processes import scheduling

FIRST_WITH_SLICES = (6, 12)
LOWEST = 19
"""Of the nice values."""


def in_a_thread(steps: Callable[[], None]) -> tuple[int, int, int]:
    """What the scheduler knows of a thread that has done this."""
    found: list[tuple[int, int, int]] = []

    def run() -> None:
        steps()
        found.append(scheduling())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_the_slice_is_short_and_all_else_stays() -> None:
    """Also the nice value that somebody has given the process."""
    nice = min(scheduling()[1] + 3, LOWEST)

    def steps() -> None:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        ask_for_short_slices()

    asked = in_a_thread(steps)
    kernel = tuple(int(part) for part in platform.release().split(".")[:2])
    assert asked[:2] == (os.SCHED_OTHER, nice)
    assert asked[2] == (SLICE_NS if kernel >= FIRST_WITH_SLICES else 0)


def test_another_policy_is_left_alone() -> None:
    """Who runs the gateway in the background gets that."""

    def steps() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        ask_for_short_slices()

    policy, _, runtime = in_a_thread(steps)
    assert (policy, runtime != SLICE_NS) == (os.SCHED_BATCH, True)


def test_a_machine_that_cannot_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown one is not asked, and one that refuses is."""
    monkeypatch.setattr(time_slice, "_SCHED_SETATTR", {})
    assert in_a_thread(ask_for_short_slices)[2] != SLICE_NS
    monkeypatch.setattr(time_slice, "_SCHED_SETATTR", {platform.machine(): 1_000_000})
    assert in_a_thread(ask_for_short_slices)[2] != SLICE_NS
