"""The watch over the workers: what it does to processes that are late, go on, or are lost."""

from typing import cast

import pytest

from gateway.clock import NANOSECONDS
from gateway.supervisor.heartbeat import LOOK_NS
from gateway.supervisor.monitor import Monitor
from gateway.supervisor.process import WorkerProcess
from gateway.supervisor.workers import Workers
from tests.helpers.patience import eventually


class Process:
    """Stands in for a worker's process; ``beating`` says whether its heart does."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.lane = slot + 10
        self.pid = slot + 100
        self.late = False
        self.beating = True
        self.kills = 0

    def kill(self) -> None:
        """Counted; it dies when the test says so."""
        self.kills += 1


class Scene:
    """Two workers, their lanes and a clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = NANOSECONDS
        self.alive = [Process(0), Process(1)]
        self.settled: list[list[bool]] = []
        self.beats: dict[int, int] = {}
        self.monitor = Monitor(cast("Workers", self), self, clock=lambda: self.now)

    def processes(self) -> list[WorkerProcess]:
        """As ``Workers.processes``."""
        return cast("list[WorkerProcess]", list(self.alive))

    def settle(self) -> None:
        """As ``Workers.settle``: notes who was late then."""
        self.settled.append([process.late for process in self.alive])

    def lanes(self) -> list[tuple[int, int, int, int]]:
        """As ``View.lanes``."""
        return [(process.lane, process.pid, 1, self.beats.get(process.lane, 0)) for process in self.alive]

    def watch(self, seconds: float) -> None:
        """Lets that much time pass, look by look."""
        for _ in range(round(seconds * NANOSECONDS / LOOK_NS)):
            self.now += LOOK_NS
            self.beats |= {process.lane: self.now for process in self.alive if process.beating}
            self.monitor.look()


def test_a_late_worker_gets_its_sockets_back_when_it_goes_on() -> None:
    """Who serves for whom is settled when it becomes late and when it beats again; nobody is killed."""
    scene = Scene()
    scene.watch(1)
    scene.alive[1].beating = False
    scene.watch(4)
    assert scene.settled == [[False, True]]
    scene.alive[1].beating = True
    scene.watch(10)
    assert scene.settled == [[False, True], [False, False]]
    assert [process.kills for process in scene.alive] == [0, 0]


def test_a_lost_worker_is_killed_once() -> None:
    """It takes a while to die; its successor has all the time a start needs."""
    scene = Scene()
    scene.watch(1)
    lost = scene.alive[0]
    lost.beating = False
    scene.watch(8)
    assert [process.kills for process in scene.alive] == [1, 0]
    scene.alive[0] = successor = Process(0)
    successor.pid += 1
    successor.beating = False
    scene.beats[successor.lane] = 0
    scene.watch(30)
    assert not successor.late
    assert (lost.kills, successor.kills) == (1, 0)


def test_without_a_witness_one_is_replaced_first() -> None:
    """When all are silent, the second is killed only after the first one's successor has beaten."""
    scene = Scene()
    scene.watch(1)
    first, second = scene.alive
    first.beating = second.beating = False
    scene.watch(20)
    assert (first.kills, second.kills) == (1, 0)
    scene.alive[0] = Process(0)
    scene.alive[0].pid = 999
    scene.watch(1)
    assert (first.kills, second.kills) == (1, 1)


def test_a_supervisor_that_was_held_up_blames_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """After a pause of the whole machine nobody is late, and the log says what happened."""
    scene = Scene()
    scene.watch(1)
    scene.now += 3600 * NANOSECONDS
    scene.monitor.look()
    assert scene.settled == []
    assert "the supervisor was held up for 3599.8 s" in caplog.text


async def test_it_looks_by_itself() -> None:
    """From start to stop."""
    scene = Scene()
    scene.monitor.start()
    scene.now += NANOSECONDS
    await eventually(lambda: scene.monitor._watch.looked == scene.now)
    await scene.monitor.stop()
