"""Looks at many things without holding up the loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

SLICE = 200
"""Things that are looked at in one turn of the loop, at some microseconds each."""

Thing = TypeVar("Thing")
Found = TypeVar("Found")


async def in_slices(look: Callable[[Thing], Found], things: Sequence[Thing]) -> list[Found]:
    """What ``look`` says of each thing, each at its moment; the loop turns after every slice but the last."""
    found: list[Found] = []
    for start in range(0, len(things), SLICE):
        if start:
            await asyncio.sleep(0)
        found.extend(map(look, things[start : start + SLICE]))
    return found
