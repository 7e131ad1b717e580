"""Calls at an interval, some of which fail."""

import asyncio
import logging

import pytest

from gateway.supervisor.repeating import Repeating
from tests.helpers.patience import eventually


async def test_a_call_that_fails_does_not_end_the_calls(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the next one is made all the same."""
    calls: list[int] = []

    def act() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise RuntimeError("not today")

    repeating = Repeating(act, 0.001, logging.getLogger("headgate.test"), "an act failed")
    repeating.start()
    await eventually(lambda: len(calls) > 2)
    await repeating.stop()
    (record,) = caplog.records
    assert (record.getMessage(), record.name) == ("an act failed", "headgate.test")
    assert "not today" in caplog.text


async def test_nothing_is_called_after_stop() -> None:
    """Nor before the first interval has passed; stopping twice, or what was never started, is fine."""
    calls: list[int] = []
    repeating = Repeating(lambda: calls.append(1), 0.001, logging.getLogger("headgate.test"), "")
    await repeating.stop()
    repeating.start()
    assert not calls
    await eventually(lambda: calls)
    await repeating.stop()
    count = len(calls)
    await asyncio.sleep(0.02)
    await repeating.stop()
    assert len(calls) == count
