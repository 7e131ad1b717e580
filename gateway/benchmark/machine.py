"""What machine this is, in a line: figures of different machines do not compare."""

import os
import platform
from pathlib import Path


def describe() -> str:
    """CPUs with their model, and the kernel."""
    cpus = len(os.sched_getaffinity(0))
    model = _model()
    return f"{cpus} CPU{'' if cpus == 1 else 's'}{f' ({model})' if model else ''}, {platform.system()} {platform.release()}"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return " ".join(next(names, "").split())
