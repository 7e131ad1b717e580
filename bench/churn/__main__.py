"""The command ``python -m bench.churn``: latencies of one load, with members that stay and with members that change.

Requests come at a constant rate, whether or not earlier ones have been answered, and each latency counts from when the
request was due: a stall shows in every request that falls into it.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.build import DebugBuildError, require_release
from bench.child import ChildError, serving
from bench.configuration import plain
from bench.instructions.report import table
from bench.peers.job import Workload
from bench.peers.load import LoadError, open_loop
from bench.peers.load.open_loop import Latencies

_WARM_UP_SECONDS = 2.0
_WORKLOAD = Workload(
    "churn", "members that come and go", (("Host", "churn.example"), ("Accept", "*/*")), connections=128
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the rounds, each without and with changes, and prints the medians; 0 done, 1 failed."""
    options = _parser().parse_args(arguments)
    found: dict[int, list[Latencies]] = {0: [], options.changes: []}
    try:
        require_release()
        for number in range(options.rounds):
            for changes, latencies in found.items():
                print(f"round {number + 1}, {changes:,} changes a second", file=sys.stderr)
                latencies.append(_measured(options, changes))
    except (ChildError, DebugBuildError, LoadError) as failure:
        print(f"bench.churn: {failure}", file=sys.stderr)
        return 1
    print(_page(found, options))
    return 0


def _measured(options: argparse.Namespace, changes: int) -> Latencies:
    with (
        serving("bench.churn.origin") as port,
        tempfile.TemporaryDirectory(prefix="headgate-churn-") as folder,
    ):
        file = Path(folder) / "gateway.toml"
        file.write_text(plain(f"members.churn:{int(port)}"))
        members = (str(options.instances), str(changes))
        with serving("bench.churn.command", *members, "run", str(file)) as ready:
            listening = urlsplit(json.loads(ready)["listen"][0]).port
            assert listening is not None, "a TCP listener has a port"
            return open_loop.run(
                listening, _WORKLOAD, options.rate, warm_up_seconds=_WARM_UP_SECONDS, seconds=options.seconds
            )


def _page(found: dict[int, list[Latencies]], options: argparse.Namespace) -> str:
    percentiles = (50.0, 99.0, 99.9, 100.0)
    medians = {
        changes: [statistics.median(one.percentile(percent) for one in runs) for percent in percentiles]
        for changes, runs in found.items()
    }
    rows = [
        [f"{changes:,} changes a second", *(f"{value:,.0f}" for value in values)]
        for changes, values in medians.items()
    ]
    header = [f"{options.instances:,} instances, {options.rate:,} requests a second; µs"]
    still, changing = medians[0], medians[options.changes]
    ratio = f"p99 with changes is {changing[1] / still[1]:.2f} × that without; the longest is {(changing[3] - still[3]) / 1000:+.1f} ms."
    return "\n".join([table([*header, "p50", "p99", "p99.9", "longest"], rows), "", ratio])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.churn", description="Latencies while the members of a large service change."
    )
    parser.add_argument("--instances", type=int, default=10_000, metavar="N", help="members of the service")
    parser.add_argument("--changes", type=int, default=1_000, metavar="N", help="changes in a second")
    parser.add_argument("--rate", type=int, default=1_000, metavar="N", help="requests in a second")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of both")
    return parser


if __name__ == "__main__":
    sys.exit(main())
