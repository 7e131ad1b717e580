"""The open loop's own process: sends requests when they are due, whether or not earlier ones have been answered.

Every request has its time from the start, and its latency counts from then: what waits because the target is late counts
as the target's latency, so that no omission is coordinated with it (Gil Tene, "How NOT to Measure Latency"). No request
of the schedule goes uncounted: what could not even be sent is an error of its own. A target may end a kept connection
while a request is on its way to it; like any client, the loop sends that one again on a new connection if it is idempotent
(RFC 9112 §9.3.1), once, and its latency counts from when it was due all the same. Timers of milliseconds, as most
generators have them, would send bursts and measure the bursts.

The job comes pickled on standard input; each part of the result leaves as a line of JSON on standard output.
"""

import ctypes
import gc
import pickle
import select
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import orjson

from gateway.benchmark.generators.open_loop_client import Client, ClientError, State
from gateway.benchmark.load import IDEMPOTENT, Load, Replay, Steady, Target
from gateway.benchmark.tally import Pace, Part, Tally

TIMED_OUT = "timed out"
NEVER_SENT = "not sent: no connection came free"
_SENDS_PER_TURN = 64
"""After so many, answers are looked for: their time is taken when they are read."""
_PR_SET_TIMERSLACK = 29


@dataclass(frozen=True, slots=True)
class Job:
    """What one process does: every ``shards``-th request of the load, from number ``shard``."""

    target: Target
    family: int
    address: object
    """Where the target's host is, as ``socket.connect`` takes it."""
    load: Load
    part_seconds: float
    shard: int = 0
    shards: int = 1


class _Recorder:
    """Counts into the part that is under way, and hands over each one when its time is over."""

    def __init__(self, names: list[str], part_seconds: float) -> None:
        self._names = names
        self._part_ns = int(part_seconds * 1e9)
        self._began = self._ends = 0
        self._cpu = time.process_time()
        self._tallies = [Tally() for _ in names]
        self.pace = Pace()

    def start(self, now: int) -> None:
        """The first part begins."""
        self._began, self._ends = now, now + self._part_ns

    def answered(self, kind: int, status: int, due: float, now: int) -> None:
        """A whole answer."""
        tally = self._tallies[kind]
        tally.statuses[str(status)] += 1
        tally.latencies.record(int(now - due) // 1000)

    def failed(self, kind: int, error: str, due: float, now: int, *, gave_up: bool = False) -> None:
        """No whole answer; what was given up lasted at least until now."""
        tally = self._tallies[kind]
        tally.errors[error] += 1
        if gave_up:
            tally.latencies.record(int(now - due) // 1000)

    def look(self, now: int) -> None:
        """Hands the part over if it has lasted long enough."""
        if now >= self._ends:
            self.flush(now)

    def flush(self, now: int) -> None:
        """Hands the part over and begins the next."""
        if now <= self._began:
            return
        cpu = time.process_time()
        self.pace.cpu_seconds, self._cpu = cpu - self._cpu, cpu
        part = Part((now - self._began) / 1e9, dict(zip(self._names, self._tallies, strict=True)), self.pace)
        sys.stdout.buffer.write(orjson.dumps(part.to_json()) + b"\n")
        sys.stdout.buffer.flush()
        self._tallies = [Tally() for _ in self._names]
        self.pace = Pace()
        self._began = now
        while self._ends <= now:
            self._ends += self._part_ns


class _Loop:
    """One run."""

    def __init__(self, job: Job, epoll: select.epoll) -> None:
        load = job.load
        self._job = job
        self._epoll = epoll
        self._encoded = [
            (request.encode(job.target.authority, keep_alive=load.keep_alive), request.method == "HEAD")
            for request in load.requests
        ]
        self._is_idempotent = [request.method in IDEMPOTENT for request in load.requests]
        self._schedule = islice(_schedule(load), job.shard, None, job.shards)
        self._context = job.target.tls()
        self._most = max(1, load.connections // job.shards)
        self._timeout_ns = int(load.timeout_seconds * 1e9)
        self._clients: dict[int, Client] = {}
        self._free: deque[Client] = deque()
        self._busy: dict[int, Client] = {}
        """By descriptor, in the order in which their requests were started."""
        self._recorder = _Recorder([request.name for request in load.requests], job.part_seconds)

    def run(self) -> None:
        """Sends the whole schedule; what has found no connection a time-out after its end is given up."""
        clock = time.perf_counter_ns
        upcoming = next(self._schedule, None)
        start = clock()
        self._recorder.start(start)
        waits_until = 0.0
        """Requests due until then have found every connection busy."""
        give_up_at = start + self._job.load.shape.seconds * 1e9 + self._timeout_ns
        while upcoming is not None or self._busy:
            now = clock()
            for _ in range(_SENDS_PER_TURN):
                if upcoming is None or start + upcoming[0] * 1e9 > now:
                    break
                due, kind = start + upcoming[0] * 1e9, upcoming[1]
                if not self._free and len(self._clients) >= self._most:
                    waits_until = now
                    break
                self._note_pace(due, now, waited=due <= waits_until)
                self._send(kind, due, clock())
                upcoming = next(self._schedule, None)
            self._expire(now)
            self._recorder.look(now)
            if upcoming is not None and now > give_up_at:
                self._give_up(upcoming, start, now)
                upcoming = None
            self._turn(None if upcoming is None else start + upcoming[0] * 1e9, clock())
        self._recorder.flush(clock())

    def _note_pace(self, due: float, now: int, *, waited: bool) -> None:
        if waited:
            self._recorder.pace.waited += 1
        else:
            self._recorder.pace.lateness.record(int(now - due) // 1000)

    def _send(self, kind: int, due: float, now: int, *, anew: bool = False) -> None:
        encoded, head = self._encoded[kind]
        try:
            client = self._free.popleft() if self._free and not anew else self._connect()
        except ClientError as error:
            self._recorder.failed(kind, str(error), due, now)
            return
        client.kind, client.due, client.started = kind, due, now
        client.ask(encoded, head=head)
        self._busy[client.socket.fileno()] = client
        if client.wants_to_write:
            self._epoll.modify(client.socket, select.EPOLLIN | select.EPOLLOUT)

    def _connect(self) -> Client:
        client = Client(self._job.family, self._job.address, self._context, self._job.target.host)
        self._clients[client.socket.fileno()] = client
        self._epoll.register(client.socket, select.EPOLLIN | select.EPOLLOUT)
        return client

    def _turn(self, due: float | None, now: int) -> None:
        """Waits until a connection has something to say, or the next request is due."""
        ready = self._epoll.poll(0)
        if not ready:
            blocked = due is None or (not self._free and len(self._clients) >= self._most)
            pause = 5e7 if due is None or blocked else min(due - now, 5e7)
            if pause > 0:
                select.select([self._epoll], [], [], pause / 1e9)
            return
        for descriptor, _ in ready:
            client = self._clients[descriptor]
            if client.state is State.IDLE:
                self._drop(client)  # the target has ended it; nothing was under way
            else:
                self._hear(client, descriptor)

    def _hear(self, client: Client, descriptor: int) -> None:
        try:
            whole = client.ready()
        except ClientError as error:
            self._drop(client)
            now = time.perf_counter_ns()
            if client.was_given_up and self._is_idempotent[client.kind]:
                self._send(client.kind, client.due, now, anew=True)
            else:
                self._recorder.failed(client.kind, str(error), client.due, now)
            return
        if not whole:
            writing = select.EPOLLOUT if client.wants_to_write else 0
            self._epoll.modify(descriptor, select.EPOLLIN | writing)
            return
        self._recorder.answered(client.kind, client.status, client.due, time.perf_counter_ns())
        if client.may_go_on() and self._job.load.keep_alive:
            del self._busy[descriptor]
            self._free.append(
                client
            )  # the longest idle is used next: all of them are used, as by many clients
        else:
            self._drop(client)

    def _expire(self, now: int) -> None:
        """Gives up requests that have taken too long."""
        while self._busy:
            client = next(iter(self._busy.values()))
            if now - client.started < self._timeout_ns:
                return
            self._recorder.failed(client.kind, TIMED_OUT, client.due, now, gave_up=True)
            self._drop(client)

    def _give_up(self, upcoming: tuple[float, int], start: int, now: int) -> None:
        """Counts what was due and cannot be sent: the connections have been busy too long."""
        for offset, kind in (upcoming, *self._schedule):
            self._recorder.failed(kind, NEVER_SENT, start + offset * 1e9, now, gave_up=True)

    def _drop(self, client: Client) -> None:
        descriptor = client.socket.fileno()
        self._busy.pop(descriptor, None)
        if client.state is State.IDLE and client in self._free:
            self._free.remove(client)
        del self._clients[descriptor]
        self._epoll.unregister(descriptor)
        client.close()

    def close(self) -> None:
        """Ends every connection."""
        for client in list(self._clients.values()):
            self._drop(client)


def _schedule(load: Load) -> Iterator[tuple[float, int]]:
    """(seconds from the start, index of the request)."""
    match load.shape:
        case Steady() as steady:
            return zip(steady.schedule(), load.mix(), strict=False)
        case Replay() as replay:
            return zip(replay.due, replay.which, strict=True)
    raise AssertionError("a closed loop has no schedule")


@contextmanager
def _precise_timers() -> Iterator[None]:
    """Without the kernel's slack of 50 µs for timers, and without pauses for the garbage collector."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()
    yield


def main() -> None:
    """Does the job on standard input."""
    job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the command that started this process
    with select.epoll() as epoll, _precise_timers():
        loop = _Loop(job, epoll)
        try:
            loop.run()
        finally:
            loop.close()


if __name__ == "__main__":
    main()
