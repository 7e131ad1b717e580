"""The command ``python -m bench.instructions``: counts what is asked for; the tables go to stdout."""

import argparse
import signal
import sys
from collections.abc import Sequence

from bench.build import DebugBuildError, require_release
from bench.instructions import report, worker
from bench.instructions.callgrind import CallgrindError
from bench.peers.packages import PackageError, require

_EXPECTED_FAILURES = (CallgrindError, DebugBuildError, PackageError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 done, 1 failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every process ends with its block
    try:
        require(["valgrind"])
        options.run(options)
    except _EXPECTED_FAILURES as failure:
        print(f"bench.instructions: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def _count_worker(options: argparse.Namespace) -> None:
    require_release()
    profiles = {case.name: profile for case, profile in worker.count(options.requests)}
    print(report.by_object(profiles))
    for name, profile in profiles.items() if options.functions else ():
        print(f"\n{name}\n\n{report.by_function(profile, options.functions)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.instructions", description="Instructions per request, in user space."
    )
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    whole = commands.add_parser("worker", help="a whole worker process, by program and library")
    whole.add_argument("--requests", type=int, default=worker.REQUESTS, metavar="N", help="of each count")
    whole.add_argument(
        "--functions", type=int, default=0, metavar="N", help="also list the N dearest functions"
    )
    whole.set_defaults(run=_count_worker)
    return parser


if __name__ == "__main__":
    sys.exit(main())
