"""The scheduler's time slice of a worker: a short one, so that a worker that wakes up runs at once.

A worker works for some microseconds at a time. Where the machine's cores are all busy it waits for its turn behind others
that use their slices up, 1.4 to 3 ms each, the supervisor among them. Whoever asks for a shorter slice goes before those with
longer ones when it wakes up, and gets no more time for it (sched_setattr(2); Linux 6.12, "EEVDF": PREEMPT_SHORT).
"""

import ctypes
import logging
import os
import platform
import struct

log = logging.getLogger("headgate.worker")

SLICE_NS = 200_000
"""Some ten requests."""

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
_ATTRIBUTES = struct.Struct(
    "@IIQiIQQQ"
)  # struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period


def ask_for_short_slices() -> None:
    """For the calling thread, and threads that it starts. Older kernels take it for nothing; whoever has given the process
    another policy has his reasons.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, 0, attributes, 0):  # a container may forbid it
        log.debug("no short time slices: %s", os.strerror(ctypes.get_errno()))
