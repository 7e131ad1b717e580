"""The command ``python -m bench.instructions``: counts what is asked for; the tables go to stdout."""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence

from bench.build import DebugBuildError, require_release
from bench.child import ChildError
from bench.instructions import baseline, engine, report, worker
from bench.instructions.baseline import Baseline
from bench.instructions.callgrind import CallgrindError, Profile
from bench.peers.packages import PackageError, require


class BaselineError(Exception):
    """Counts have moved away from the baseline."""

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__(
            "\n  ".join(["the counts differ from the baseline by more than they may:", *differences])
            + "\nIf that is meant to be: python -m bench.instructions engine --accept, and say why in the commit"
        )


_EXPECTED_FAILURES = (BaselineError, CallgrindError, ChildError, DebugBuildError, PackageError)


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
    _print_functions(profiles, options.functions)


def _count_engine(options: argparse.Namespace) -> None:
    profiles = {case.name: profile for case, profile in engine.count()}
    print(report.by_object(profiles))
    _print_functions(profiles, options.functions)
    counts = {name: profile.total for name, profile in profiles.items()}
    counted = Baseline(engine.toolchain(), {name: round(count) for name, count in counts.items()})
    if options.accept:
        baseline.FILE.write_text(counted.text())
        return
    known = Baseline.parse(baseline.FILE.read_text())
    differences = known.differences(counts)
    if known.toolchain != counted.toolchain:
        print(
            f"\nThe baseline was counted with {known.toolchain}, this with {counted.toolchain}: no gate, for orientation:"
        )
        print("\n".join(differences) or "no differences")
    elif differences:
        raise BaselineError(differences)


def _print_functions(profiles: Mapping[str, Profile], most: int) -> None:
    for name, profile in profiles.items() if most else ():
        print(f"\n{name}\n\n{report.by_function(profile, most)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.instructions", description="Instructions per request, in user space."
    )
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    alone = commands.add_parser("engine", help="the engine alone, against the committed baseline")
    alone.add_argument("--accept", action="store_true", help="make these counts the baseline")
    alone.set_defaults(run=_count_engine)
    whole = commands.add_parser("worker", help="a whole worker process, by program and library")
    whole.add_argument("--requests", type=int, default=worker.REQUESTS, metavar="N", help="of each count")
    whole.set_defaults(run=_count_worker)
    for command in (alone, whole):
        command.add_argument(
            "--functions", type=int, default=0, metavar="N", help="also list the N dearest functions"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
