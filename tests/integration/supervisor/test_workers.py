"""Real processes that start, die and are replaced, with a worker that knows only the channel."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.clock import monotonic_ns
from gateway.model import ListenAddress
from gateway.supervisor import recruits, workers
from gateway.supervisor.failure import StartError
from gateway.supervisor.launch import Equipment, Launcher
from gateway.supervisor.listeners import Listeners, Opening
from gateway.supervisor.recruits import NoRecruitError
from gateway.supervisor.restart_policy import is_crash_loop
from gateway.supervisor.workers import Workers
from tests.helpers.patience import eventually
from tests.helpers.processes import alive, children

SCRIPT = Path(__file__).parent / "obedient_worker.py"
SNAPSHOT = {"type": "snapshot", "epoch": 1, "listeners": [], "services": []}
ANY_PORT = ListenAddress.parse("127.0.0.1:0")


class Lanes:
    """Stands in for the shared memory; a wrong order of calls fails."""

    def __init__(self) -> None:
        self.live: dict[int, int] = {}
        self.folded: list[int] = []

    def open_lane(self, lane: int, pid: int) -> None:
        """A lane is opened when it is free."""
        assert lane not in self.live
        self.live[lane] = pid

    def set_lane_pid(self, lane: int, pid: int) -> None:
        """Only an open lane has a process."""
        assert lane in self.live
        self.live[lane] = pid

    def close_lane(self, lane: int) -> None:
        """A lane is folded once, and after its process is gone."""
        pid = self.live.pop(lane)
        assert pid == os.getpid() or not alive(pid)
        self.folded.append(lane)


def command(manner: str) -> list[str]:
    """A worker that only knows the channel."""
    return [sys.executable, str(SCRIPT), manner]


class World:
    """Workers on one listener, and what they were given."""

    def __init__(self, count: int, manner: str) -> None:
        self.listeners = Listeners()
        self.listeners.take(self.listeners.open([ANY_PORT], count))
        self.lanes = Lanes()
        self.memory = os.memfd_create("test")
        self.wake = os.eventfd(0)
        self.epoch = 1
        self.launcher = Launcher(self.lanes, max(6, 2 * count + 2), command(manner))
        self.workers = Workers(count, self.equipment, self.launcher, clock=monotonic_ns)

    def equipment(self, opening: Opening | None = None) -> Equipment:
        """What workers inherit now, or with what is opened."""
        return Equipment(self.memory, [self.wake], self.listeners.filenos(opening), "info")

    async def reload(self, count: int, *addresses: ListenAddress) -> None:
        """Another number of workers, and other listeners beside the first."""
        opening = self.listeners.open([ANY_PORT, *addresses], count)
        snapshot = {**SNAPSHOT, "epoch": self.epoch + 1}
        try:
            await self.workers.recruit(count, snapshot, b"blob", self.equipment(opening))
        except BaseException:
            opening.abandon()
            raise
        self.epoch += 1
        further = opening.descriptors()
        self.listeners.take(opening)
        await self.workers.publish(snapshot, b"blob", further)
        assert await self.workers.manned(self.workers.resize(count, 5.0, 5.0)) == []

    async def start(self) -> None:
        """Starts all workers."""
        await self.workers.start(SNAPSHOT, b"blob")

    def kill(self, slot: int) -> None:
        """SIGKILL for the worker of a slot."""
        worker = self.workers.slots[slot].worker
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)

    async def served_by(self, listener: int = 0) -> int:
        """The slot of whoever answers a new connection to a listener."""
        url = urlsplit(list(self.listeners.urls().values())[listener])
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        async with asyncio.timeout(5):
            line = await reader.readline()
        writer.close()
        return int(line)

    def serves_again(self, slot: int, restarts: int) -> bool:
        """Is the slot's worker the successor of this many dead ones, and ready?"""
        return slot in self.workers.ready() and self.workers.slots[slot].restarts == restarts

    async def everybody_serves(self, listener: int = 0) -> bool:
        """Do new connections reach every slot's own worker?"""
        occupied = {slot.number for slot in self.workers.occupied()}
        return {await self.served_by(listener) for _ in range(60)} == occupied


@contextlib.asynccontextmanager
async def _world(count: int = 2, manner: str = "serves") -> AsyncIterator[World]:
    """At its end no child is left, whatever happened."""
    before = set(children(os.getpid()))
    world = World(count, manner)
    try:
        yield world
    finally:
        world.workers.destroy()
        world.listeners.close()
        os.close(world.memory)
    assert set(children(os.getpid())) <= before


async def test_every_slot_gets_a_worker_on_a_lane_of_its_own() -> None:
    """After ``start`` all are ready, and connections reach each of them."""
    async with _world(3) as world:
        await world.start()
        assert world.workers.ready() == [0, 1, 2]
        assert world.lanes.live == {worker.lane: worker.pid for worker in world.workers.processes()}
        await eventually(world.everybody_serves)


async def test_a_killed_worker_is_replaced_and_its_socket_served_meanwhile() -> None:
    """No connection waits for the successor; the lane is folded once; at the end everybody has his own socket again."""
    async with _world() as world:
        await world.start()
        for restarts in (1, 2):
            world.kill(0)
            assert {await world.served_by() for _ in range(20)} <= {0, 1}
            await eventually(partial(world.serves_again, 0, restarts))
            await eventually(world.everybody_serves)
        assert len(world.lanes.folded) == 2
        assert [slot.restarts for slot in world.workers.slots] == [2, 0]


async def test_the_third_death_in_a_row_waits_while_a_neighbour_serves() -> None:
    """The slot is then shown as waiting, and its connections are answered by the other worker."""
    async with _world() as world:
        await world.start()
        for _ in range(3):
            await eventually(lambda: world.workers.ready() == [0, 1])
            world.kill(0)
            await eventually(lambda: world.workers.ready() == [1])
        assert world.workers.slots[0].state == "waiting"
        assert world.workers.slots[0].last_exit == "was killed by SIGKILL"
        assert is_crash_loop(world.workers.slots[0].history, monotonic_ns())
        assert {await world.served_by() for _ in range(20)} == {1}
        await eventually(lambda: world.workers.ready() == [0, 1])


async def test_all_workers_die_together() -> None:
    """Connections made meanwhile wait in the backlog and are answered."""
    async with _world() as world:
        await world.start()
        world.kill(0)
        world.kill(1)
        assert await world.served_by() in {0, 1}
        await eventually(world.everybody_serves)


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("dies", "exited with code 3, 3 times before it was ready"),
        ("refuses", "refuses the configuration: a route leads nowhere"),
    ],
)
async def test_workers_that_cannot_start(manner: str, reason: str) -> None:
    """The start fails with the reason, soon, and nothing is left."""
    async with _world(2, manner) as world:
        with pytest.raises(StartError, match=reason):
            await world.start()


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    """A signal during the start ends workers that have not said a word yet."""
    async with _world(2, "hangs") as world:
        start = asyncio.create_task(world.start())
        await eventually(lambda: len(world.workers.processes()) == 2)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        await world.workers.drain(5.0, 5.0)
        assert world.workers.processes() == []


async def test_a_program_that_is_not_there() -> None:
    """The system's refusal is a StartError, and the lane is free again."""
    async with _world() as world:
        world.launcher.command = ["/nowhere/worker"]
        with pytest.raises(StartError, match="cannot start a worker"):
            await world.start()
        assert world.lanes.live == {}


async def test_a_drain_ends_when_the_last_worker_has_gone() -> None:
    """Long before its time-out; nobody is replaced."""
    async with _world() as world:
        await world.start()
        async with asyncio.timeout(5):
            await world.workers.drain(60.0, 60.0)
        assert world.workers.processes() == []
        assert [slot.restarts for slot in world.workers.slots] == [0, 0]


async def test_a_worker_that_does_not_drain_is_killed_in_the_end() -> None:
    """``drain`` returns after its time-out and a second; ``destroy`` then ends what is left at once."""
    async with _world(1, "dawdles") as world:
        await world.start()
        pid = world.workers.processes()[0].pid
        await world.workers.drain(0.1, 0.1)
        assert alive(pid)
        world.workers.destroy()
        assert not alive(pid)


async def test_workers_inherit_nothing_else() -> None:
    """Only the standard streams, both channels, the memory and the listening sockets survive the exec."""
    with socket.socket() as secret:
        os.set_inheritable(secret.fileno(), True)
        async with _world(1) as world:
            await world.start()
            pid = world.workers.processes()[0].pid
            links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
        sockets = {link for link in links if link.startswith("socket:")}
        assert len(sockets) == 3
        assert f"socket:[{os.fstat(secret.fileno()).st_ino}]" not in sockets


async def test_the_libraries_of_a_worker_are_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they go by stands in its environment, and what the supervisor's own says counts more."""
    monkeypatch.setenv("UV_USE_IO_URING", "1")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    async with _world(1) as world:
        await world.start()
        environ = Path(f"/proc/{world.workers.processes()[0].pid}/environ").read_bytes().split(b"\0")
    assert b"UV_USE_IO_URING=1" in environ
    assert b"MALLOC_TRIM_THRESHOLD_=8388608" in environ


async def test_further_workers_join_on_sockets_of_their_own() -> None:
    """Those that run go on, the new ones serve beside them, and a worker that dies is replaced by its like."""
    async with _world(1) as world:
        await world.start()
        pids = [worker.pid for worker in world.workers.processes()]
        await world.reload(3)
        assert world.workers.ready() == [0, 1, 2]
        await eventually(world.everybody_serves)
        assert world.workers.processes()[0].pid == pids[0]
        world.kill(2)
        await eventually(partial(world.serves_again, 2, 1))
        await eventually(world.everybody_serves)


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("dies", "worker [12] exited with code 3 before it was ready"),
        ("refuses", "worker [12] refuses the configuration: a route leads nowhere"),
        ("hangs", "worker 1 was not ready within 0 s"),
    ],
)
async def test_further_workers_that_do_not_come_up(
    manner: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told, nothing has changed and nothing is left of them; the next attempt may succeed."""
    monkeypatch.setattr(recruits, "MUSTER_TIMEOUT_S", 20.0 if manner != "hangs" else 0.3)
    async with _world(1) as world:
        await world.start()
        (pid,) = (worker.pid for worker in world.workers.processes())
        world.launcher.command = command(manner)
        with pytest.raises(NoRecruitError, match=reason):
            await world.reload(3)
        assert world.lanes.live == {0: pid}
        assert [worker.pid for worker in world.workers.processes()] == [pid]
        assert {await world.served_by() for _ in range(20)} == {0}
        monkeypatch.setattr(recruits, "MUSTER_TIMEOUT_S", 20.0)
        world.launcher.command = command("serves")
        await world.reload(3)
        assert world.workers.ready() == [0, 1, 2]
        await eventually(world.everybody_serves)


async def test_further_workers_without_a_program() -> None:
    """The system's refusal is the reason."""
    async with _world(1) as world:
        await world.start()
        world.launcher.command = ["/nowhere/worker"]
        with pytest.raises(NoRecruitError, match="a further worker cannot be started: No such file"):
            await world.reload(2)
        assert len(world.lanes.live) == 1


async def test_a_stop_calls_off_the_start_of_further_workers() -> None:
    """It does not wait for them, and they are gone with the others."""
    async with _world(1) as world:
        await world.start()
        world.launcher.command = command("hangs")
        reload = asyncio.create_task(world.reload(3))
        await eventually(lambda: len(world.lanes.live) == 3)
        await world.workers.drain(5.0, 5.0)
        with pytest.raises(NoRecruitError, match="the gateway is stopping"):
            await reload
        assert world.lanes.live == {}


async def test_a_recruit_that_dies_before_it_serves_has_a_successor() -> None:
    """The configuration is in force by then, so it is a death like any other."""
    async with _world(1) as world:
        await world.start()
        opening = world.listeners.open([ANY_PORT], 2)
        snapshot = {**SNAPSHOT, "epoch": 2}
        await world.workers.recruit(2, snapshot, b"blob", world.equipment(opening))
        further = opening.descriptors()
        world.listeners.take(opening)
        (recruit,) = set(world.lanes.live.values()) - {worker.pid for worker in world.workers.processes()}
        os.kill(recruit, signal.SIGKILL)
        await eventually(lambda: len(world.lanes.live) == 1)
        await world.workers.publish(snapshot, b"blob", further)
        assert await world.workers.manned(world.workers.resize(2, 5.0, 5.0)) == []
        await eventually(world.everybody_serves)


async def test_a_new_slot_that_nobody_serves_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reload does not wait for ever."""
    monkeypatch.setattr(workers, "MANNED_TIMEOUT_S", 0.1)
    async with _world(1) as world:
        await world.start()
        world.launcher.command = command("hangs")
        filled = world.workers.resize(2, 5.0, 5.0)
        assert [slot.number for slot in await world.workers.manned(filled)] == [1]


async def test_fewer_workers_serve_the_sockets_of_all() -> None:
    """No connection is refused or waits; the lanes are free again, and the slots are filled again when wanted."""
    async with _world(3) as world:
        await world.start()
        await world.reload(1)
        assert {await world.served_by() for _ in range(60)} <= {0, 1, 2}
        await eventually(lambda: len(world.workers.processes()) == 1)
        assert {await world.served_by() for _ in range(60)} == {0}
        assert len(world.lanes.live) == 1
        assert [slot.restarts for slot in world.workers.slots] == [0, 0, 0]
        await world.reload(2)
        assert world.workers.ready() == [0, 1]
        await eventually(world.everybody_serves)
        world.kill(0)
        world.kill(1)
        await eventually(lambda: world.workers.ready() == [0, 1])
        await eventually(world.everybody_serves)


async def test_a_slot_that_is_emptied_while_its_worker_starts() -> None:
    """The start is called off or its worker ended, whichever comes first; nobody is left over."""
    async with _world(1) as world:
        await world.start()
        await world.reload(3)
        world.kill(2)
        await eventually(lambda: world.workers.slots[2].restarts == 1)
        await world.reload(1)
        await eventually(lambda: len(world.workers.processes()) == 1)
        await eventually(lambda: len(world.lanes.live) == 1)
        assert world.workers.ready() == [0]


async def test_a_new_listener_reaches_running_workers_and_later_ones() -> None:
    """All serve it, and so does the successor of a killed one, which inherits it."""
    other = ListenAddress.parse("[::1]:0")
    async with _world(2) as world:
        await world.start()
        await world.reload(2, other)
        await eventually(partial(world.everybody_serves, 1))
        world.kill(1)
        await eventually(partial(world.serves_again, 1, 1))
        await eventually(partial(world.everybody_serves, 1))


async def test_a_worker_that_balks_at_a_snapshot_is_replaced() -> None:
    """The others may not decide by one configuration and it by another; its successor begins with the new one."""
    async with _world(2, "balks") as world:
        await world.start()
        before = {worker.pid for worker in world.workers.processes()}
        await world.reload(2)
        await eventually(partial(world.serves_again, 0, 1))
        await eventually(partial(world.serves_again, 1, 1))
        assert before.isdisjoint(worker.pid for worker in world.workers.processes())
        await eventually(world.everybody_serves)


async def test_a_silent_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is stopped acknowledges nothing; the reload ends all the same, with a worker that does."""
    monkeypatch.setattr(workers, "ACKNOWLEDGE_TIMEOUT_S", 0.2)
    async with _world(2) as world:
        await world.start()
        stopped = world.workers.processes()[1]
        os.kill(stopped.pid, signal.SIGSTOP)
        await world.reload(2)
        await eventually(partial(world.serves_again, 1, 1))
        await eventually(world.everybody_serves)


async def test_there_are_lanes_for_so_many_workers_and_no_more() -> None:
    """Those that are leaving still hold theirs; who stays needs no further one."""
    async with _world(3) as world:
        await world.start()
        assert [world.workers.has_room_for(count) for count in (1, 3, 7, 8)] == [True, True, True, False]


async def test_a_gateway_that_ends_changes_nothing_any_more() -> None:
    """No worker is started for a reload that a signal has overtaken."""
    async with _world(1) as world:
        await world.start()
        await world.workers.drain(5.0, 5.0)
        world.workers.resize(3, 5.0, 5.0)
        assert len(world.workers.slots) == 1
