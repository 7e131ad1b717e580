"""Looking at many things while the loop turns."""

import asyncio

import pytest

from gateway.supervisor.slices import SLICE, in_slices


async def test_the_loop_turns_after_every_slice() -> None:
    """Others get their turn between, and everything is found in its order."""
    loop = asyncio.get_running_loop()
    turns: list[int] = []
    looked: list[int] = []

    def turn() -> None:
        turns.append(len(looked))
        loop.call_soon(turn)

    def look(number: int) -> int:
        looked.append(number)
        return -number

    loop.call_soon(turn)
    found = await in_slices(look, range(3 * SLICE + 1))
    assert found == [-number for number in range(3 * SLICE + 1)]
    assert turns[:3] == [SLICE, 2 * SLICE, 3 * SLICE]


async def test_few_things_are_found_in_one_turn() -> None:
    """Up to a whole slice; nothing of nothing."""
    coroutine = in_slices(str, range(SLICE))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == [str(number) for number in range(SLICE)]
    assert await in_slices(str, ()) == []
