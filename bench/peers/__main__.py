"""The command ``python -m bench.peers``: what to measure comes from its options, the table goes to stdout."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.build import DebugBuildError, require_release
from bench.peers import report
from bench.peers.gateway import Gateway
from bench.peers.haproxy import HAProxy
from bench.peers.headgate import Headgate
from bench.peers.job import KEEP_ALIVE
from bench.peers.measure import MeasurementError, Plan, measure
from bench.peers.nginx import Nginx
from bench.peers.packages import PackageError, first_line, require
from bench.peers.process import ServerError
from bench.peers.relay import Relay
from bench.peers.rounds import summarize

GATEWAYS: dict[str, Gateway] = {
    gateway.name: gateway for gateway in (Headgate(), Nginx(), HAProxy(), Relay())
}
REFERENCES = ("nginx", "haproxy")
"""Whose cost the ratios are taken to."""
_RUN_NEEDS = ("nginx", "wrk")
"""Programs of every run: the origin and the load."""

_EXPECTED_FAILURES = (DebugBuildError, MeasurementError, PackageError, ServerError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 done, 1 failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every server ends with its block
    try:
        _run(options)
    except _EXPECTED_FAILURES as failure:
        print(f"bench.peers: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    gateways: list[Gateway] = options.peers
    if any(isinstance(gateway, Headgate) for gateway in gateways):
        require_release()
    programs = require(
        dict.fromkeys([*_RUN_NEEDS, *(name for gateway in gateways for name in gateway.programs)])
    )
    versions = {gateway.name: gateway.version(programs) for gateway in gateways}
    versions["load"] = first_line([programs["wrk"], "-v"]).partition(" [")[0]
    gateway_core, load_core = options.cores
    plan = Plan(options.rounds, options.seconds, gateway_core, load_core)
    samples = measure(gateways, KEEP_ALIVE, plan, programs, _progress)
    summaries = summarize(samples, [gateway.name for gateway in gateways], REFERENCES)
    # Decided by what was seen: a group of one process spends everything in its leader.
    single = frozenset(summary.gateway for summary in summaries if summary.leader > summary.cost.median / 2)
    print(
        f"{KEEP_ALIVE.name}, {KEEP_ALIVE.connections} connections; {plan.rounds} rounds of {plan.seconds} s\n"
    )
    print(report.table(summaries, single_process=single), "\n")
    for gateway in gateways:
        print(f"* {gateway.name}: {versions[gateway.name]}{f'; {gateway.remark}' if gateway.remark else ''}")
    for warning in report.warnings(summaries):
        print(f"* WARNING {warning}")
    if options.json is not None:
        content = report.document(
            plan=plan,
            workload=KEEP_ALIVE,
            gateways=gateways,
            versions=versions,
            samples=samples,
            summaries=summaries,
        )
        report.write(options.json, content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description="CPU time per proxied request."
    )
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="rounds (default 5)")
    parser.add_argument(
        "--seconds", type=_positive, default=5, metavar="S", help="of each measurement (default 5)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write all samples and summaries there"
    )
    names = ",".join(GATEWAYS)
    parser.add_argument(
        "--peers", type=_peers, default=names, metavar="NAMES", help=f"which (default {names})"
    )
    parser.add_argument(
        "--cores",
        type=_cores,
        default="0,1",
        metavar="G,L",
        help="core of the gateway and of the load (default 0,1)",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _peers(text: str) -> list[Gateway]:
    names = list(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in GATEWAYS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(GATEWAYS)}")
    return [GATEWAYS[name] for name in names]


def _cores(text: str) -> tuple[int, int]:
    usable = {str(core) for core in os.sched_getaffinity(0)}
    gateway, _, load = text.partition(",")
    if gateway == load or not {gateway, load} <= usable:
        raise argparse.ArgumentTypeError(f"needs two different ones of the cores {', '.join(sorted(usable))}")
    return int(gateway), int(load)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
