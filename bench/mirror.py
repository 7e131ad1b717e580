"""The command ``python -m bench.mirror``: what clients notice of a mirror that answers at once or late, that is dead, and that says nothing.

Requests come at a constant rate, whether or not earlier ones have been answered, and each latency counts from when the
request was due. The kinds take turns, round by round, so that a machine that is slow for a while is so for all of them.
"""

import argparse
import json
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench.build import DebugBuildError, require_release
from bench.child import ChildError, serving
from bench.instructions.report import table
from bench.peers.job import Workload
from bench.peers.load import LoadError, open_loop
from bench.peers.load.open_loop import Latencies

_WARM_UP_SECONDS = 2.0
_BACKLOG = 4096
_LATE_SECONDS = 1.0
"""How late a slow mirror answers: long enough that a second's copies are under way at once."""
_WORKLOAD = Workload("mirror", "a mirror", (("Host", "mirror.example"), ("Accept", "*/*")))
_KINDS = ("none", "answers", "slow", "dead", "silent")
_COMPARED = ("none", "answers")
"""What the others are compared with: no mirror, and one that does what it should."""
_CONFIGURATION = """\
[gateway]
workers = 1
admin = "127.0.0.1:0"

[log]
level = "error"

[[listen]]
address = "127.0.0.1:0"

[services.api]
instances = ["127.0.0.1:{port}"]
{service}
[[routes]]
service = "api"
{mirror}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the rounds, each with every kind of mirror, and prints the medians; 0 done, 1 failed."""
    options = _parser().parse_args(arguments)
    found: dict[str, list[Latencies]] = {kind: [] for kind in _KINDS}
    try:
        require_release()
        for number in range(options.rounds):
            for kind, latencies in found.items():
                print(f"round {number + 1}, mirror: {kind}", file=sys.stderr)
                latencies.append(_measured(options, kind))
    except (ChildError, DebugBuildError, LoadError) as failure:
        print(f"bench.mirror: {failure}", file=sys.stderr)
        return 1
    print(page(found, f"{options.percent} % of {options.rate:,} requests a second"))
    return 0


def _measured(options: argparse.Namespace, kind: str) -> Latencies:
    with (
        serving("bench.churn.origin") as port,
        _mirror(kind) as address,
        tempfile.TemporaryDirectory(prefix="headgate-mirror-") as folder,
    ):
        service = f'[services.shadow]\ninstances = ["{address}"]\n' if address else ""
        mirror = f'mirror = {{ service = "shadow", percent = {options.percent} }}' if address else ""
        file = Path(folder) / "gateway.toml"
        file.write_text(_CONFIGURATION.format(port=int(port), service=service, mirror=mirror))
        with serving("gateway", "run", str(file)) as ready:
            listening = urlsplit(json.loads(ready)["listen"][0]).port
            assert listening is not None, "a TCP listener has a port"
            return open_loop.run(
                listening, _WORKLOAD, options.rate, warm_up_seconds=_WARM_UP_SECONDS, seconds=options.seconds
            )


@contextmanager
def _mirror(kind: str) -> Iterator[str]:
    """The address of a mirror of this kind; empty for none."""
    if kind == "none":
        yield ""
    elif kind in {"answers", "slow"}:
        with serving("bench.churn.origin", str(_LATE_SECONDS if kind == "slow" else 0.0)) as port:
            yield f"127.0.0.1:{int(port)}"
    else:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if kind == "silent":
                listener.listen(_BACKLOG)  # the kernel connects, and nobody ever reads
            yield f"127.0.0.1:{listener.getsockname()[1]}"


def page(found: Mapping[str, Sequence[Latencies]], load: str) -> str:
    """The table of what was found: medians of the rounds, and how many times the 99th percentile of a round is that of the same round without
    a mirror, and beside one that answers.
    """
    percentiles = (50.0, 99.0, 99.9)
    header = [f"{load}; mirror; µs", "p50", "p99", "p99.9", *(f"p99 ÷ {other}" for other in _COMPARED)]
    rows = [
        [
            kind,
            *(f"{statistics.median(one.percentile(it) for one in runs):,.0f}" for it in percentiles),
            *(f"{_ratio(runs, found[other]):.3f}" for other in _COMPARED),
        ]
        for kind, runs in found.items()
    ]
    return table(header, rows)


def _ratio(runs: Sequence[Latencies], others: Sequence[Latencies]) -> float:
    """The median over the rounds: what slows the machine for a while slows both runs of a round."""
    rounds = zip(runs, others, strict=True)
    return statistics.median(one.percentile(99.0) / other.percentile(99.0) for one, other in rounds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.mirror", description="Latencies of clients beside mirrors of several kinds."
    )
    parser.add_argument(
        "--percent", type=int, default=10, metavar="N", help="of the requests that are copied"
    )
    parser.add_argument("--rate", type=int, default=1_000, metavar="N", help="requests in a second")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of all kinds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
