"""A process of our own that serves while something is measured: started, told apart from one that failed, and ended."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_STOP_SECONDS = 30.0
"""From the polite signal to the other one."""


class ChildError(Exception):
    """It ended before it served."""


@contextmanager
def serving(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """``python -m module`` until the end of the block, and its first line: then it serves. Raises ChildError."""
    command: Sequence[str] = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None, "asked for above"
        try:
            line = process.stdout.readline()
            if not line:
                raise ChildError(f"{module} did not start")
            yield line
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
