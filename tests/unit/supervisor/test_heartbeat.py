"""Which worker serves, which is late, which is replaced: a table, and the two rules for a machine in trouble."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import NANOSECONDS
from gateway.supervisor.heartbeat import (
    LOOK_NS,
    LOST_NS,
    WATCHED_NS,
    Condition,
    Pulse,
    Watch,
    doomed,
    look,
)

STARTING, BEATING = Pulse(), Pulse(7)
LATE, LOST = Pulse(7, NANOSECONDS), Pulse(7, LOST_NS)


@pytest.mark.parametrize(
    ("beat", "silent_s", "condition"),
    [
        (0, 0.0, Condition.STARTING),
        (0, 59.9, Condition.STARTING),
        (0, 60.0, Condition.LOST),
        (7, 0.0, Condition.BEATING),
        (7, 0.49, Condition.BEATING),
        (7, 0.5, Condition.LATE),
        (7, 4.9, Condition.LATE),
        (7, 5.0, Condition.LOST),
        (7, 500.0, Condition.LOST),
    ],
)
def test_a_row_of_the_table(beat: int, silent_s: float, condition: Condition) -> None:
    """Start-up is no missed heartbeat; after it half a second makes a worker late and five seconds lose it."""
    assert Pulse(beat, round(silent_s * NANOSECONDS)).condition is condition


@pytest.mark.parametrize(
    ("pulses", "dying", "killed"),
    [
        ({1: LOST, 2: BEATING}, [], [1]),
        ({1: LOST, 2: LOST, 3: BEATING}, [], [1, 2]),
        ({1: LOST}, [], [1]),
        ({1: LOST, 2: LATE}, [], [1]),
        ({1: LOST, 2: Pulse(7, LOST_NS + 1)}, [], [2]),
        ({1: LOST, 2: STARTING}, [], []),
        ({1: LOST, 2: LOST}, [2], []),
        ({1: LOST, 2: LOST, 3: BEATING}, [2], [1]),
        ({1: LATE, 2: LATE}, [], []),
        ({}, [], []),
    ],
    ids=[
        "a witness", "all that are lost", "the only one", "no witness", "the longest silent first",
        "one is on its way", "one dies", "one dies, with a witness", "late only", "nobody",
    ],
)  # fmt: skip
def test_who_is_killed(pulses: dict[int, Pulse], dying: list[int], killed: list[int]) -> None:
    """With a witness that beats every lost worker goes at once, without one they go one at a time."""
    assert doomed(pulses, dying) == killed


def test_a_beat_ends_the_silence() -> None:
    """A worker that goes on before it is lost is well again at its first beat."""
    watch = Watch(0, {1: LATE})
    assert look(watch, {1: 7}, LOOK_NS).pulses[1] == Pulse(7, NANOSECONDS + LOOK_NS)
    assert look(watch, {1: 8}, LOOK_NS).pulses[1] == Pulse(8, 0)


def test_only_those_who_are_there_are_remembered() -> None:
    """The pulse of a dead worker is forgotten, and that of a new one starts with no silence."""
    watch = look(Watch(0, {1: LATE}), {2: 0}, LOOK_NS)
    assert watch.pulses == {2: STARTING}


@given(st.integers(WATCHED_NS, 10**15))
def test_what_the_supervisor_did_not_watch_is_no_silence(pause_ns: int) -> None:
    """However long the supervisor itself is held up, nobody becomes late by that."""
    watch = look(Watch(0, {1: BEATING}), {1: 7}, pause_ns)
    assert watch.pulses[1].condition is Condition.BEATING
    assert watch.unwatched_ns == pause_ns - WATCHED_NS


@given(st.lists(st.integers(0, WATCHED_NS), max_size=200))
def test_looks_in_time_count_in_full(steps: list[int]) -> None:
    """With a supervisor that keeps its time, the silence is the time since the last beat was seen."""
    watch = Watch(0, {1: BEATING})
    now = 0
    for step in steps:
        now += step
        watch = look(watch, {1: 7}, now)
    assert watch.pulses[1].silent_ns == now
