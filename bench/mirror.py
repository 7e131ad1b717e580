"""The command ``python -m bench.mirror``: what clients notice of a mirror that answers, that is dead, and that says nothing.

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
_WORKLOAD = Workload("mirror", "a mirror", (("Host", "mirror.example"), ("Accept", "*/*")))
_KINDS = ("none", "answers", "dead", "silent")
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
    print(_page(found, options))
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
    elif kind == "answers":
        with serving("bench.churn.origin") as port:
            yield f"127.0.0.1:{int(port)}"
    else:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if kind == "silent":
                listener.listen(_BACKLOG)  # the kernel connects, and nobody ever reads
            yield f"127.0.0.1:{listener.getsockname()[1]}"


def _page(found: Mapping[str, Sequence[Latencies]], options: argparse.Namespace) -> str:
    percentiles = (50.0, 99.0, 99.9)
    medians = {
        kind: [statistics.median(one.percentile(percent) for one in runs) for percent in percentiles]
        for kind, runs in found.items()
    }
    p99 = {kind: values[1] for kind, values in medians.items()}
    rows = [
        [kind, *(f"{value:,.0f}" for value in values), f"{p99[kind] / p99['answers']:.3f}"]
        for kind, values in medians.items()
    ]
    header = f"{options.percent} % of {options.rate:,} requests a second; mirror; µs"
    return table([header, "p50", "p99", "p99.9", "p99 ÷ answers"], rows)


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
