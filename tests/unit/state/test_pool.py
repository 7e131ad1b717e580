"""The pool of idle connections against a slow reference, and its bounds."""

from typing import Self

from hypothesis import given
from hypothesis import strategies as st

from gateway.state.lane import Pool, UpstreamFastPath

INSTANCES = st.integers(0, 3)


class Idle(UpstreamFastPath):
    """A connection that remembers what the pool was told."""

    def __new__(cls, instance: int, max_idle: int = 3, keepalive_ns: int = 10) -> Self:
        """Idle since time 0."""
        idle = super().__new__(cls, instance, keepalive_ns, max_idle)
        idle.max_idle, idle.keepalive_ns, idle.idle_since = max_idle, keepalive_ns, 0
        return idle

    max_idle: int
    keepalive_ns: int
    idle_since: int


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

    def expired(self, now: int, most: int) -> list[Idle]:
        """Those that were idle for too long, the oldest of them if there are more."""
        old = [one for one in self.idle if one.idle_since + one.keepalive_ns <= now][:most]
        self.idle = [one for one in self.idle if one not in old]
        return old


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), INSTANCES),
        st.tuples(st.just("give"), INSTANCES, st.integers(0, 3), st.sampled_from([5, 10])),
        st.tuples(st.just("discard"), st.integers(0, 20)),
        st.tuples(st.just("expired"), st.integers(0, 12), st.integers(0, 4)),
        st.tuples(st.just("evict"), st.integers(0, 4)),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_pool_decides_as_the_reference(steps: list[tuple[str, int, int, int]]) -> None:
    """Every sequence of takes, gives, losses and time-outs has the same result in both."""
    pool = Pool(max_idle=6)
    reference = Reference(6)
    now = 0
    for number, (step, *arguments) in enumerate(steps):
        if step == "take":
            assert pool.take(arguments[0]) is reference.take(arguments[0])
        elif step == "give":
            connection = Idle(*arguments)
            connection.idle_since = now
            assert pool.give(connection, now) is reference.give(connection)
        elif step == "discard" and reference.idle:
            gone = reference.idle.pop(arguments[0] % len(reference.idle))
            pool.discard(gone)
        elif step == "expired":
            now += arguments[0]
            assert pool.expired(now, arguments[1]) == reference.expired(now, arguments[1])
        elif step == "evict":
            assert pool.evict(arguments[0]) == reference.idle[: arguments[0]]
            del reference.idle[: arguments[0]]
        assert pool.connections() == reference.idle, f"after step {number}"
        assert len(pool) == len(reference.idle)


def test_a_stranger_is_discarded_in_silence() -> None:
    """A connection that serves is not in the pool when it ends."""
    Pool(1).discard(Idle(1))


def test_a_pool_says_what_it_holds() -> None:
    """One readable line."""
    pool = Pool(1024)
    pool.give(Idle(1), 0)
    pool.give(Idle(1), 0)
    pool.give(Idle(2), 0)
    assert repr(pool) == "<Pool 3 idle to 2 instances>"
