"""Waits for what must become true, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

INTERVAL_SECONDS = 0.01


async def eventually(
    condition: Callable[[], Any | Awaitable[Any]], within: float = 5.0, *, why: str = ""
) -> Any:
    """Returns the condition's first true value; fails with its last one when ``within`` seconds have passed.

    The condition may be a coroutine function. An AssertionError inside it counts as "not yet".
    """
    deadline = time.monotonic() + within
    while True:
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
        except AssertionError as error:
            value = None
            last: Any = error
        else:
            last = value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {why or _source(condition)}; last: {last!r}")
        await asyncio.sleep(INTERVAL_SECONDS)


async def settled(value: Callable[[], int]) -> int:
    """The value once it has not moved for half a second: what moves it is being held back."""
    last, unchanged = value(), 0
    while unchanged < 25:
        await asyncio.sleep(0.02)
        last, unchanged = value(), unchanged + 1 if value() == last else 0
    return last


def _source(condition: Callable[[], Any]) -> str:
    """What was waited for, as it stands in the test; a partial has no source of its own."""
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
