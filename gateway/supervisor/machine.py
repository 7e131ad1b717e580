"""What the gateway needs of the machine it starts on, checked or set once."""

import os
import resource

from gateway.supervisor.failure import StartError

OLDEST_UVLOOP = (0, 23)  # before it, a cancelled connect could hand its descriptor to another connection
MOST_DESCRIPTORS = 1_048_576
"""Some containers allow a billion, and programs that walk over them all then hang."""


def require_uvloop(version: str) -> None:
    """Raises StartError when this version of the event loop is one that mixes connections."""
    found = tuple(int(part) for part in version.split(".")[:2])
    if found < OLDEST_UVLOOP:
        oldest = ".".join(map(str, OLDEST_UVLOOP))
        raise StartError(
            f"uvloop {version} is too old: it can mix up connections; {oldest} or newer is needed"
        )


def cpus() -> int:
    """The CPUs that the gateway may use."""
    return len(os.sched_getaffinity(0))


def raise_descriptor_limit() -> None:
    """Takes all descriptors that the process may have; the workers inherit the limit, two per exchange."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
