"""``headgate run`` with its worker under callgrind: ``python -m bench.instructions.command PROFILE run FILE``.

One worker only: all of them would write to the same profile.
"""

import sys
from pathlib import Path

from bench.instructions import callgrind
from gateway.cli import main
from gateway.supervisor import process

_WORKER = [sys.executable, "-m", "bench.instructions.rarely_ticking"]


def _start_workers_under_callgrind(profile: Path) -> None:
    process.worker_command = lambda: callgrind.command(_WORKER, profile)


if __name__ == "__main__":
    _start_workers_under_callgrind(Path(sys.argv.pop(1)))
    main()
