"""Says what a phase was limited by, and what of its figures is the generator's or the machine's doing. Pure."""

from enum import StrEnum

from gateway.benchmark.histogram import Histogram
from gateway.benchmark.report.words import significant
from gateway.benchmark.result import Phase

SATURATED = 0.9
"""Of the time: a thread that had or wanted a CPU so long had no time left."""
GENERATOR_SATURATED = 0.8
"""Of a generator's threads together; one of them is at its end before the average is."""
MACHINE_SATURATED = 0.93
STARVED = 0.1
"""Of the time that a target ran: so much longer it would have run if others had not had its CPU."""
DISTURBED = 1.0
"""As above: from here on latencies and throughputs are more the machine's than the gateway's."""
SLIPPED = 0.98
"""Of the rate: a generator that sent less has not kept its schedule."""
LATE_MS = 1.0


class Limit(StrEnum):
    """What kept a closed loop from going faster."""

    GENERATOR = "generator"
    GATEWAY = "gateway"
    MACHINE = "machine"
    BEHIND = "behind"
    """The instances, or too few connections."""
    UNKNOWN = "unknown"


def limit(phase: Phase) -> Limit:
    """What was at its end in a phase."""
    if _generator_share(phase) >= GENERATOR_SATURATED:
        return Limit.GENERATOR
    if not phase.observations or phase.seconds <= 0:
        return Limit.UNKNOWN
    busiest = sum(observation.busiest_seconds for observation in phase.observations) / phase.seconds
    machine = sum(observation.machine_share for observation in phase.observations) / len(phase.observations)
    if machine >= MACHINE_SATURATED:
        return Limit.MACHINE
    return Limit.GATEWAY if busiest >= SATURATED else Limit.BEHIND


def remarks(phase: Phase) -> list[str]:
    """What a reader must know before believing the figures, a sentence each."""
    if phase.seconds <= 0 or not phase.whole.requests:
        return ["Nothing was measured."]
    found = [_closed_loop(phase)] if phase.rate is None else _open_loop(phase)
    return [remark for remark in (*found, _starved(phase)) if remark]


def _closed_loop(phase: Phase) -> str:
    match limit(phase):
        case Limit.GENERATOR:
            share = f"{_generator_share(phase):.0%}"
            return (
                f"The generator, not the gateway, was the limit: {phase.generator} used {share} of its "
                f"{_count(phase.threads, 'thread')}. The gateway may be able to do more."
            )
        case Limit.GATEWAY:
            return "The gateway was the limit: its busiest process had or wanted a CPU all the time."
        case Limit.MACHINE:
            return (
                "The machine was the limit: gateway, generator and whatever else runs here kept all its CPUs busy. "
                "With the generator on another machine the gateway may do more."
            )
        case Limit.BEHIND:
            return (
                "Neither gateway nor generator was at its end: the instances were, or "
                f"{phase.connections} connections are too few."
            )
        case Limit.UNKNOWN:
            return ""


def _open_loop(phase: Phase) -> list[str]:
    assert phase.rate is not None
    found = []
    whole = phase.whole
    waited = sum(part.pace.waited for part in phase.parts) / whole.requests
    sent = whole.requests / phase.seconds
    if waited > 0.01:
        found.append(
            f"The gateway was late: {waited:.0%} of the requests found all {phase.connections} connections "
            "waiting for answers. Their latencies count from when they were due."
        )
    elif sent < SLIPPED * phase.rate:
        found.append(
            f"The generator, not the gateway, was the limit: it sent {sent:,.0f} of {phase.rate:,.0f} requests a second."
        )
    lateness = lateness_ms(phase)
    p99 = phase.figures().get("p99", 0.0)
    if lateness > LATE_MS and lateness > 0.1 * p99:
        found.append(
            f"The generator had to wait for a CPU: one of 100 requests left {lateness:.1f} ms late or more, which "
            "the latencies include. On a quiet machine they are lower."
        )
    return found


def lateness_ms(phase: Phase) -> float:
    """By how much the latest of 100 requests left late though a connection was free: the generator's own doing."""
    lateness = Histogram()
    for part in phase.parts:
        lateness.add(part.pace.lateness)
    return lateness.percentile(99.0) / 1000


def disturbed(phase: Phase) -> bool:
    """Whether the machine had so much else to do that two such runs differ by themselves."""
    lateness, p99 = lateness_ms(phase), phase.figures().get("p99", 0.0)
    return _waited(phase) >= DISTURBED or lateness > max(LATE_MS, 0.1 * p99)


def _waited(phase: Phase) -> float:
    """Seconds that the target waited for a CPU, for each that it ran; 0 where that is not known."""
    used = sum(observation.cpu_seconds for observation in phase.observations)
    return sum(observation.waited_seconds for observation in phase.observations) / used if used else 0.0


def _starved(phase: Phase) -> str:
    waited = _waited(phase)
    if waited < STARVED:
        return ""
    return (
        f"For each second that the gateway ran it waited {significant(waited, 2)} s for a CPU: others on this machine "
        "had it. Its latencies are higher than on a machine of its own."
    )


def _generator_share(phase: Phase) -> float:
    used = sum(part.pace.cpu_seconds for part in phase.parts)
    return used / (phase.seconds * max(1, phase.threads)) if phase.seconds > 0 else 0.0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
