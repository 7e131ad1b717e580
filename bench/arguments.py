"""Values of command lines that more than one of the benchmarks takes."""

import argparse
import os


def positive(text: str) -> int:
    """How many; at least one."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def two_cores(text: str) -> tuple[int, int]:
    """The core of what is measured, and that of everything else: ``G,L``."""
    usable = {str(core) for core in os.sched_getaffinity(0)}
    gateway, _, load = text.partition(",")
    if gateway == load or not {gateway, load} <= usable:
        raise argparse.ArgumentTypeError(f"needs two different ones of the cores {', '.join(sorted(usable))}")
    return int(gateway), int(load)
