"""A worker's door to the engine: its names, and the three decisions that hooks and benchmarks call."""

import os

import pytest

from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.model import Health
from gateway.state import lane
from gateway.state.control import HEALTH_HEALTHY, HEALTH_UNHEALTHY, Control, Segment
from gateway.state.lane import Connection, Lane, Snapshot
from gateway.supervisor.rows import Rows
from gateway.worker.ingress import ClientConnection
from tests.helpers import configuration
from tests.unit.worker.stage import SERVICE, Stage

SECOND = 1_000_000_000

ACTIONS = {
    name: value for name, value in vars(lane).items() if name.isupper() and not name.endswith("_BYTES")
}


def test_everything_offered_exists() -> None:
    """``__all__`` names what the module has, and nothing twice."""
    assert len(set(lane.__all__)) == len(lane.__all__)
    assert all(hasattr(lane, name) for name in lane.__all__)


def test_actions_are_distinct_and_all_performed() -> None:
    """Every action of a verdict has its own number and leads to something in the connection."""
    assert len(set(ACTIONS.values())) == len(ACTIONS)
    assert set(ClientConnection._PERFORM) == set(ACTIONS.values())


async def test_a_lane_that_is_not_open_is_refused() -> None:
    """A lane of another number, or a foreign descriptor, is no lane."""
    stage = Stage()
    with pytest.raises(ValueError, match="lane 3 is not open"):
        lane.open_lane(stage.segment.fileno(), 3, random_seed=1)


async def test_select_turns_and_reserves_nothing() -> None:
    """Round robin gives every instance its turn; asking holds no place."""
    stage = Stage(instances=3)
    slots = [(stage.lane.select("s") or 0) & 0xFFFFFFFF for _ in range(6)]
    assert sorted(slots) == [0, 0, 1, 1, 2, 2]
    assert stage.in_flight() == 0
    with pytest.raises(KeyError):
        stage.lane.select("unknown")


async def test_health_is_the_word_of_the_instance_at_once() -> None:
    """A store of the supervisor is seen by the next look; another occupant's slot is not healthy."""
    stage = Stage(instances=1)
    instance = stage.lane.select("s")
    assert instance is not None
    assert stage.lane.health(instance) == HEALTH_HEALTHY
    stage.control.set_health(0, HEALTH_UNHEALTHY)
    assert stage.lane.health(instance) == HEALTH_UNHEALTHY
    stage.control.publish_members(SERVICE, [0])
    assert stage.lane.health(instance + (1 << 32)) == HEALTH_UNHEALTHY


async def test_charge_takes_tokens_until_there_are_none() -> None:
    """A burst conforms, the next one does not and is told when it will; the bucket is the one of its key."""
    limit = {
        "name": "l", "row": 0, "tokens": 1, "period_ns": 1_000_000_000, "burst": 2, "key": ["client_ip"],
    }  # fmt: skip
    stage = Stage(limits=(limit,))
    charge = stage.lane.charge
    mine, other = bytes(15) + b"\1", bytes(15) + b"\2"
    assert [charge("r/l", mine, 1, stage.now) for _ in range(3)] == [
        (True, 0),
        (True, 0),
        (False, 1_000_000_000),
    ]
    assert charge("r/l", other, 2, stage.now) == (True, 0)
    assert charge("r/l", mine, 1, stage.now + 1_000_000_000) == (True, 0)
    with pytest.raises(KeyError):
        charge("r/unknown", mine, 1, stage.now)
    with pytest.raises(ValueError, match="at least 1"):
        charge("r/l", mine, 0, stage.now)
    with pytest.raises(OverflowError):
        charge("r/l", mine, 1, -1)


def _limits(*tokens: int) -> tuple[dict[str, object], ...]:
    """Limits l0, l1 … with bursts of so many."""
    rate = {"period_ns": 1_000_000_000, "key": ["client_ip"]}
    return tuple(
        rate | {"name": f"l{row}", "row": row, "tokens": 1, "burst": burst}
        for row, burst in enumerate(tokens)
    )


async def test_a_name_means_what_the_snapshot_in_force_says() -> None:
    """Names are remembered by their string objects: many of them, equal ones, and no longer than a snapshot."""
    stage = Stage(limits=_limits(*range(1, 9)))
    names = [f"r/l{number}" for number in range(8)]
    for _ in range(3):
        for burst, name in enumerate(names, start=1):
            assert not stage.lane.charge(name, b"client", burst + 1, stage.now)[0], name
            assert not stage.lane.charge("".join(list(name)), b"client", burst + 1, stage.now)[0], name
    assert stage.lane.charge(names[7], b"client", 8, stage.now) == (True, 0)
    stage.limits = _limits(9)
    stage.lane.adopt(Snapshot.compile(stage._snapshot()))
    assert stage.lane.charge(names[0], b"client", 9, stage.now) == (True, 0)
    with pytest.raises(KeyError):
        stage.lane.charge(names[7], b"client", 1, stage.now)


async def test_a_cost_is_what_is_passed_now() -> None:
    """Costs are remembered by their int objects; what only behaves like one is asked every time."""

    class Growing:
        def __init__(self) -> None:
            self.cost = 0

        def __index__(self) -> int:
            self.cost += 1
            return self.cost

    stage = Stage(limits=_limits(1_000, 3))
    costs = (400, 1, 400, 199, int("400"), 1)
    conform = [stage.lane.charge("r/l0", b"client", cost, stage.now)[0] for cost in costs]
    assert conform == [True, True, True, True, False, False]
    growing = Growing()
    answers = [stage.lane.charge("r/l1", b"client", growing, stage.now)[0] for _ in range(3)]
    assert answers == [True, True, False]
    for wrong, error in ((-1, OverflowError), (1 << 32, OverflowError), (1.0, TypeError)):
        with pytest.raises(error):
            stage.lane.charge("r/l1", b"client", wrong, stage.now)


def test_a_budget_that_comes_with_a_reload_counts_its_own_window() -> None:
    """What a service had asked for long before it got a budget for retries allows none of them."""
    segment = Segment.create(
        lanes=1, instances=2, services=1, series=4, limits=1, limit_keys=16, hash_seed=42
    )
    control = Control(segment)
    control.open_lane(0, os.getpid())
    for slot in range(2):
        address = f"127.0.0.1:{9 + slot}"
        control.write_instance(slot, 1, address, weight=1, max_in_flight=0, health=Health.HEALTHY)
    control.publish_members(0, [0, 1])
    worker = Lane(segment, 0, random_seed=42)
    rows = Rows.fresh(services=1, series=4, limits=1)
    now = 1_000 * SECOND

    def adopt(epoch: int, budget: str) -> None:
        text = configuration("127.0.0.1:9", "127.0.0.1:10", service=f"retry_budget = {budget}")
        worker.adopt(Snapshot.compile(compile_snapshot(parse(text, "test", {}), epoch, rows)[1]))

    def ask() -> Connection:
        connection = Connection(worker, 0, "192.0.2.1", now)
        assert connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", now)[0] == lane.FORWARD
        return connection

    def is_retried() -> bool:
        connection = ask()
        connection.connecting(now)
        action, _, _ = connection.upstream_lost(True, True, True, now)
        connection.close(now)
        return action not in {lane.REPLY, lane.REPLY_CLOSE}

    adopt(1, "false")
    worker.tick(now, 0)
    for _ in range(100):
        connection = ask()
        connection.respond(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", now)
        connection.close(now)
    for _ in range(60):
        now += SECOND
        worker.tick(now, 0)
    adopt(2, '{ share = "20%", floor = "1/m" }')
    worker.tick(now, 0)
    assert [is_retried() for _ in range(3)] == [True, False, False]
