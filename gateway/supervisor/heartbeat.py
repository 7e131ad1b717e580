"""Decides from the heartbeats of the workers which of them serve, which are late, and which must be replaced.

Pure: what the lanes say and the time come in, conditions come out. Two rules keep a machine in trouble from costing
workers that have nothing wrong with them:

* Silence is counted in time that the supervisor spent watching. When the supervisor itself was held up (it was
  stopped, the machine was suspended or overloaded), the workers may have been as well, and get their time again.
* A worker that beats is the witness that the machine can run workers. Without a witness one lost worker at a time is
  replaced, and the next one only when that has shown how a fresh worker fares.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.clock import NANOSECONDS

LOOK_NS = NANOSECONDS // 10
"""How often the supervisor looks; workers beat twice as often."""
WATCHED_NS = 2 * LOOK_NS
"""The most that one look adds to a silence: what lies beyond was not watched."""
LATE_NS = (
    NANOSECONDS // 2
)  # ten beats: no pause of a healthy worker is that long, and no client notices this wait
LOST_NS = 5 * NANOSECONDS  # a worker that was only held up keeps its connections if it goes on before
START_NS = 60 * NANOSECONDS  # a healthy start takes half a second; the rest is for machines in trouble


class Condition(StrEnum):
    """How a worker is."""

    STARTING = "starting"
    """It has not beaten yet: start-up time is no missed heartbeat."""
    BEATING = "beating"
    LATE = "late"
    """Neighbours serve its sockets; it gets them back with its next beat."""
    LOST = "lost"
    """It is to be killed and replaced."""


CONDITIONS: tuple[tuple[bool, int, Condition], ...] = (
    (False, 0, Condition.STARTING),
    (False, START_NS, Condition.LOST),
    (True, 0, Condition.BEATING),
    (True, LATE_NS, Condition.LATE),
    (True, LOST_NS, Condition.LOST),
)
"""Has it beaten at all; silent for at least so many nanoseconds; its condition. Of the rows that fit the last counts."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One worker's last beat (0 before the first), and for how long it was watched in vain since."""

    beat: int = 0
    silent_ns: int = 0

    @property
    def condition(self) -> Condition:
        """The last row of ``CONDITIONS`` that fits."""
        begun = self.beat != 0
        fitting = [row[2] for row in CONDITIONS if row[0] == begun and self.silent_ns >= row[1]]
        return fitting[-1]


@dataclass(frozen=True, slots=True)
class Watch:
    """What the last look saw: when it was, each worker's pulse by pid, and the time before it that nobody watched."""

    looked: int
    pulses: Mapping[int, Pulse] = field(default_factory=dict)
    unwatched_ns: int = 0


def look(watch: Watch, beats: Mapping[int, int], now: int) -> Watch:
    """The next look at ``now`` (monotonic nanoseconds); ``beats`` holds the last heartbeat of every worker by pid."""
    elapsed = now - watch.looked
    watched = min(elapsed, WATCHED_NS)
    pulses = {pid: _next(watch.pulses.get(pid), beat, watched) for pid, beat in beats.items()}
    return Watch(now, pulses, elapsed - watched)


def _next(pulse: Pulse | None, beat: int, watched_ns: int) -> Pulse:
    if pulse is None or pulse.beat != beat:
        return Pulse(beat)
    return Pulse(beat, pulse.silent_ns + watched_ns)


def doomed(pulses: Mapping[int, Pulse], dying: Collection[int] = ()) -> list[int]:
    """The workers to kill now. ``dying``: those that were killed before and are not gone yet."""
    conditions = {pid: pulse.condition for pid, pulse in pulses.items() if pid not in dying}
    lost = [pid for pid, condition in conditions.items() if condition is Condition.LOST]
    if Condition.BEATING in conditions.values():
        return lost
    if dying or Condition.STARTING in conditions.values():
        return []
    return sorted(lost, key=lambda pid: -pulses[pid].silent_ns)[:1]
