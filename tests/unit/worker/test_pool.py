"""The pool of idle connections against a slow reference, and its bounds."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.worker.pool import Pool

INSTANCES = st.integers(0, 3)


@dataclass(eq=False)
class Idle:
    """A connection, as far as the pool knows it."""

    instance: int
    max_idle: int = 3
    keepalive_ns: int = 10
    idle_since: int = 0


class Reference:
    """The same decisions on one list, the most recently used connection last."""

    def __init__(self, max_idle: int) -> None:
        self.max_idle = max_idle
        self.idle: list[Idle] = []

    def take(self, instance: int) -> Idle | None:
        """The last one of the instance."""
        mine = [one for one in self.idle if one.instance == instance]
        if not mine:
            return None
        self.idle.remove(mine[-1])
        return mine[-1]

    def give(self, connection: Idle) -> Idle | None:
        """One too many of the instance's, or else of all: the oldest goes."""
        if connection.max_idle == 0:
            return connection
        self.idle.append(connection)
        mine = [one for one in self.idle if one.instance == connection.instance]
        surplus = (
            mine if len(mine) > connection.max_idle else self.idle if len(self.idle) > self.max_idle else []
        )
        if not surplus:
            return None
        self.idle.remove(surplus[0])
        return surplus[0]

    def expired(self, now: int) -> list[Idle]:
        """Those that were idle for too long."""
        old = [one for one in self.idle if one.idle_since + one.keepalive_ns <= now]
        self.idle = [one for one in self.idle if one not in old]
        return old


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), INSTANCES),
        st.tuples(st.just("give"), INSTANCES, st.integers(0, 3), st.sampled_from([5, 10])),
        st.tuples(st.just("discard"), st.integers(0, 20)),
        st.tuples(st.just("expired"), st.integers(0, 12)),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_pool_decides_as_the_reference(steps: list[tuple[str, int, int, int]]) -> None:
    """Every sequence of takes, gives, losses and time-outs has the same result in both."""
    pool: Pool[Idle] = Pool(max_idle=6)
    reference = Reference(6)
    now = 0
    for number, (step, *arguments) in enumerate(steps):
        if step == "take":
            assert pool.take(arguments[0]) is reference.take(arguments[0])
        elif step == "give":
            connection = Idle(*arguments)
            assert pool.give(connection, now) is reference.give(connection)
        elif step == "discard" and reference.idle:
            gone = reference.idle.pop(arguments[0] % len(reference.idle))
            pool.discard(gone)
        elif step == "expired":
            now += arguments[0]
            assert pool.expired(now) == reference.expired(now)
        assert list(pool._oldest_first) == reference.idle, f"after step {number}"
        assert len(pool) == len(reference.idle)
    assert pool.clear() == reference.idle
    assert len(pool) == 0


def test_a_stranger_is_discarded_in_silence() -> None:
    """A connection that serves is not in the pool when it ends."""
    Pool[Idle]().discard(Idle(1))


def test_instances_that_come_and_go_leave_nothing() -> None:
    """A thousand instances, each used once and lost while it served, are forgotten."""
    pool: Pool[Idle] = Pool()
    for instance in range(1000):
        pool.give(Idle(instance), 0)
        pool.take(instance)
        pool.give(Idle(instance, max_idle=0), 0)
    pool.expired(0)
    assert not pool._by_instance


def test_a_pool_says_what_it_holds() -> None:
    """One readable line."""
    pool: Pool[Idle] = Pool()
    pool.give(Idle(1), 0)
    pool.give(Idle(1), 0)
    pool.give(Idle(2), 0)
    assert repr(pool) == "<Pool 3 idle to 2 instances>"
