"""The command ``python -m bench.mirror``: one load on all gateways in turns, and what it says of each kind of mirror.

Requests come at a constant rate, whether or not earlier ones have been answered, and each latency counts from when the
request was due. The load goes from gateway to gateway in short slices: a machine that is slow for a while is so for all of them.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

from bench.arguments import positive, two_cores
from bench.build import DebugBuildError, require_release
from bench.child import ChildError
from bench.mirror.gateways import SETTLING_SECONDS, standing
from bench.mirror.kinds import Kind
from bench.mirror.page import page
from bench.mirror.slices import Round, orders
from bench.peers.load import LoadError

_WARM_UP_SECONDS = 2.0
_TOLD_EVERY_ROUNDS = 10
_LEAST_REQUESTS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the rounds, each with every kind of mirror, and prints what they say; 0 done, 1 failed, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.rate * options.seconds < _LEAST_REQUESTS:
        parser.error(f"a slice needs {_LEAST_REQUESTS} requests, so that each has a 99th percentile")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every process ends with its block
    try:
        require_release()
        rounds, copies = _measured(options)
    except (ChildError, DebugBuildError, LoadError, OSError) as failure:
        print(f"bench.mirror: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    load = f"{options.rate:,} requests a second in slices of {options.seconds} s"
    print(
        f"{load}, copies of {options.percent} %, seed {options.seed}.\n{page(rounds, copies, options.seed)}"
    )
    return 0


def _measured(options: argparse.Namespace) -> tuple[list[Round], dict[Kind, dict[str, int]]]:
    """The rounds, and what became of the copies of all of them."""
    slices = options.rounds * len(Kind)
    minutes = (slices * (SETTLING_SECONDS + options.seconds) + len(Kind) * _WARM_UP_SECONDS) / 60
    print(f"about {minutes:.1f} minutes", file=sys.stderr)
    rounds: list[Round] = []
    with standing(options.percent, options.cores) as gateways:
        for gateway in gateways.values():
            gateway.warm_up(options.rate, _WARM_UP_SECONDS)
        for order in orders(options.rounds, options.seed):
            if len(rounds) % _TOLD_EVERY_ROUNDS == 0:
                print(f"round {len(rounds) + 1}/{options.rounds}", file=sys.stderr)
            rounds.append({kind: gateways[kind].slice(options.rate, options.seconds) for kind in order})
        return rounds, {kind: gateway.copies() for kind, gateway in gateways.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.mirror", description="Latencies of clients beside mirrors of several kinds."
    )
    parser.add_argument(
        "--percent", type=positive, default=10, metavar="N", help="of the requests that are copied"
    )
    parser.add_argument("--rate", type=positive, default=2_000, metavar="N", help="requests in a second")
    parser.add_argument("--seconds", type=float, default=0.5, metavar="S", help="of each slice")
    parser.add_argument("--rounds", type=positive, default=75, metavar="N", help="of a slice for each kind")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the order within rounds")
    parser.add_argument("--cores", type=two_cores, default="0,1", metavar="G,L", help="of gateways and load")
    return parser


if __name__ == "__main__":
    sys.exit(main())
