"""What the gateway needs of the machine and the interpreter it starts on, checked or set once."""

import gc
import os
import resource

from gateway.supervisor.failure import StartError

OLDEST_UVLOOP = (0, 23)  # before it, a cancelled connect could hand its descriptor to another connection
MOST_DESCRIPTORS = 1_048_576
"""Some containers allow a billion, and programs that walk over them all then hang."""

FULL_COLLECTION_EVERY = 1000
"""Collections of the middle generation, of some 7,000 new objects each: a reload of 10,000 routes takes 32 of them."""


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


def poll_without_rings() -> None:
    """To be called before there is a loop: libuv would hand each new connection's epoll_ctl to an io_uring of its own, which
    makes a health check dearer by three system calls, a tenth of what it costs.
    """
    os.environ.setdefault("UV_USE_IO_URING", "0")


def collect_garbage_rarely() -> None:
    """A full collection visits every object, and every thread waits: 100 to 200 ms with 10,000 routes, three times in a
    reload by Python's own rule. Young garbage is looked for as ever, and old garbage is scarce here: an edition has no
    cycles.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTION_EVERY)
