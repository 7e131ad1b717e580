"""The shared memory as the supervisor writes it and as readers see it, on the real extension."""

import itertools
import os
import tempfile
from collections.abc import Callable

import pytest

from gateway.model import HEALTH_DISABLED_BIT, HEALTH_EJECTED_BIT, Health
from gateway.state.control import (
    HEALTH_DISABLED,
    HEALTH_EJECTED,
    HEALTH_HEALTHY,
    HEALTH_UNHEALTHY,
    HEALTH_UNKNOWN,
    Control,
    Segment,
)
from gateway.state.lane import Lane, open_lane
from gateway.state.view import COUNTERS, DURATION_BOUNDS, LIMIT_DECISIONS, View

CAPACITIES = {"lanes": 4, "instances": 16, "services": 2, "series": 4, "limits": 2, "limit_keys": 100}
NOW = 1_000_000_000_000
BEYOND = 1 << 30


@pytest.fixture
def segment() -> Segment:
    """A fresh memory."""
    return Segment.create(**CAPACITIES, hash_seed=1)


@pytest.fixture
def control(segment: Segment) -> Control:
    """The pen on it, with one service of two instances."""
    control = Control(segment)
    for slot in (0, 1):
        control.write_instance(
            slot, 1, f"127.0.0.1:{9000 + slot}", weight=1, max_in_flight=0, health=Health.HEALTHY
        )
    control.publish_members(0, [0, 1])
    return control


def worker(segment: Segment, control: Control, lane: int) -> Lane:
    """Opens a lane and takes it up, as a worker does."""
    control.open_lane(lane, 100 + lane)
    return open_lane(segment.fileno(), lane, random_seed=1)


def publish_for_ever(control: Control) -> None:
    """Changes the members again and again, until the memory refuses."""
    for turn in itertools.count():
        control.publish_members(0, [turn % 2])


def test_health_words_are_the_same_on_both_sides() -> None:
    """The numbers of ``gateway.model`` are those that the workers compare with."""
    assert (Health.UNKNOWN, Health.HEALTHY, Health.UNHEALTHY) == (
        HEALTH_UNKNOWN,
        HEALTH_HEALTHY,
        HEALTH_UNHEALTHY,
    )
    assert (HEALTH_DISABLED_BIT, HEALTH_EJECTED_BIT) == (HEALTH_DISABLED, HEALTH_EJECTED)


def test_create_tells_its_size_and_capacities(segment: Segment) -> None:
    """A segment has the size that was foretold and the capacities that were asked for."""
    assert segment.capacities == CAPACITIES
    assert segment.size == Segment.size_for(**CAPACITIES) == os.fstat(segment.fileno()).st_size


def test_attach_maps_the_same_memory(segment: Segment, control: Control) -> None:
    """What is written through one handle is read through another."""
    other = View(Segment.attach(segment.fileno()))
    control.set_health(1, Health.UNHEALTHY | HEALTH_DISABLED_BIT)
    assert other.health(1) == control.health(1) == 6


@pytest.mark.parametrize("name", sorted(CAPACITIES))
@pytest.mark.parametrize("value", [-1, 0, BEYOND, 1 << 40])
def test_a_capacity_out_of_range_is_named(name: str, value: int) -> None:
    """A capacity of nothing or beyond reason is a ValueError that names it."""
    with pytest.raises(ValueError, match=f"capacity {name} is {value}"):
        Segment.size_for(**{**CAPACITIES, name: value})


def test_attach_refuses_what_is_no_segment() -> None:
    """A file that is no shared memory of this build is a ValueError, a closed descriptor an OSError."""
    with (
        tempfile.TemporaryFile() as file,
        pytest.raises(ValueError, match="not a shared memory of this build"),
    ):
        Segment.attach(file.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        Segment.attach(-1)


def test_lanes_tell_what_their_workers_said(segment: Segment, control: Control) -> None:
    """A lane shows its process and, after a tick, its heartbeat and the membership it has seen."""
    view, lane = View(segment), worker(segment, control, 2)
    assert view.lanes() == [(2, 102, 0, 0)]
    control.set_lane_pid(2, 7)
    before, _ = control.publish_members(0, [1])
    assert view.membership_epochs() == [before - 1]
    assert lane.tick(NOW, 0)
    assert (view.lanes(), view.membership_epochs()) == ([(2, 7, 0, NOW)], [before])


def test_a_closed_lane_is_lost_to_its_worker(segment: Segment, control: Control) -> None:
    """A worker learns at its next tick that its lane was taken away, and the next worker may have it."""
    lane = worker(segment, control, 0)
    control.close_lane(0)
    assert not lane.tick(NOW, 0)
    assert View(segment).lanes() == []
    assert worker(segment, control, 0).tick(NOW, 0)


def test_members_are_refused_while_every_extent_is_held(segment: Segment, control: Control) -> None:
    """A MemoryError says that workers still use what was replaced; it passes with their next tick."""
    lane = worker(segment, control, 0)
    with pytest.raises(MemoryError):
        publish_for_ever(control)
    assert lane.tick(NOW, 0)
    control.publish_members(0, [0, 1])


@pytest.mark.parametrize(
    "act",
    [
        lambda control, _: control.set_health(16, 0),
        lambda control, _: control.health(16),
        lambda control, _: control.clear_failures(16),
        lambda control, _: control.publish_members(2, []),
        lambda control, _: control.publish_members(0, [0, 16]),
        lambda control, _: control.open_lane(4, 1),
        lambda control, _: control.close_lane(BEYOND),
        lambda _, view: view.health(16),
        lambda _, view: view.requests(4),
        lambda _, view: view.durations(2),
        lambda _, view: view.limit_decisions(2),
    ],
)
def test_a_number_beyond_the_capacity_is_an_index_error(
    segment: Segment, control: Control, act: Callable[[Control, View], object]
) -> None:
    """Slots, services, rows and lanes that do not exist are an IndexError."""
    with pytest.raises(IndexError):
        act(control, View(segment))


@pytest.mark.parametrize(
    "act",
    [
        lambda control: control.set_health(0, 3),
        lambda control: control.close_lane(0),
        lambda control: control.set_lane_pid(0, 1),
        lambda control: (control.open_lane(0, 1), control.open_lane(0, 1)),
        lambda control: control.write_instance(0, 1, "localhost:80", weight=1, max_in_flight=0, health=0),
    ],
)
def test_what_makes_no_sense_is_a_value_error(control: Control, act: Callable[[Control], object]) -> None:
    """Health words without a meaning, lanes in the wrong state and names instead of addresses are a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        act(control)


def test_a_fresh_memory_counts_nothing(segment: Segment) -> None:
    """Every table of a fresh memory is empty, and as long as its names say."""
    view = View(segment)
    assert view.counters() == [0] * len(COUNTERS)
    assert view.durations(0) == ([0] * (len(DURATION_BOUNDS) + 1), 0)
    assert (view.requests(0), view.limit_decisions(0), view.in_flight(0)) == (
        [],
        [0] * len(LIMIT_DECISIONS),
        0,
    )
    assert view.failing(16) == []
    assert view.limit_table(NOW) == (256, 0, 0)


def test_duration_bounds_are_seconds_in_order() -> None:
    """The histogram reaches from half a millisecond to a minute."""
    assert list(DURATION_BOUNDS) == sorted(set(DURATION_BOUNDS))
    assert (DURATION_BOUNDS[0], DURATION_BOUNDS[-1]) == (0.0005, 60.0)
