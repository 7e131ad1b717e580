"""The command ``python -m bench.peers``: what to measure comes from its options, tables go to stdout."""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from bench.arguments import positive, two_cores
from bench.build import DebugBuildError, load_generator, require_release
from bench.peers import report
from bench.peers.gateways import Gateway
from bench.peers.gateways.caddy import Caddy
from bench.peers.gateways.envoy import Envoy
from bench.peers.gateways.haproxy import HAProxy
from bench.peers.gateways.headgate import Headgate
from bench.peers.gateways.nginx import Nginx
from bench.peers.gateways.relay import Relay
from bench.peers.job import Workload
from bench.peers.measure import MEASURES, Plan, measure
from bench.peers.packages import PackageError, first_line, require
from bench.peers.process import ServerError
from bench.peers.workloads import WORKLOADS
from bench.render import tables

T = TypeVar("T")

GATEWAYS: dict[str, Gateway] = {
    gateway.name: gateway for gateway in (Headgate(), Nginx(), HAProxy(), Envoy(), Caddy(), Relay())
}
_RIVALS = "headgate,nginx,haproxy,envoy,caddy"
"""Who is measured unless the command says otherwise; the relay, which is no rival, has to be asked for."""
_ORIGIN = "nginx"
_OVERHEAD_SECONDS = 3.0
"""Of one measurement: start, verification, warm-up, end."""
_CLIENTS_PER_SECOND = 40_000
"""Clients that each send a first request before a measurement begins."""

_EXPECTED_FAILURES = (DebugBuildError, PackageError, ServerError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 done, 1 when anything failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every server ends with its block
    try:
        return _run(options)
    except _EXPECTED_FAILURES as failure:
        print(f"bench.peers: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    return 1


def _run(options: argparse.Namespace) -> int:
    chosen = _chosen(options)
    gateways = list({gateway.name: gateway for _, some in chosen for gateway in some}.values())
    programs, versions = _prepare([workload for workload, _ in chosen], gateways)
    plan = Plan(options.rounds, options.seconds, *options.cores)
    _progress(f"about {_minutes(plan, chosen):.0f} minutes")
    document = report.heading(plan, gateways, versions)
    for workload, some in chosen:
        unfit = {gateway.name: reason for gateway in some if (reason := gateway.unfit(workload))}
        fit = [gateway for gateway in some if gateway.name not in unfit]
        outcome = measure(workload, fit, plan, programs, _progress)
        document["workloads"].append(report.section(workload, plan, outcome, unfit))
        _print(document["workloads"][-1])
        if options.json is not None:  # after each workload: a run that is cut short keeps what it has
            report.write(options.json, document)
    for name, version in versions.items():
        print(f"* {name}: {version}{f'; {remark}' if (remark := document['remarks'].get(name)) else ''}")
    return 1 if any(section["failures"] for section in document["workloads"]) else 0


def _chosen(options: argparse.Namespace) -> list[tuple[Workload, list[Gateway]]]:
    """Every workload with the gateways that are measured in it."""
    return [
        (workload, options.setup_peers if workload.against_itself else options.peers)
        for workload in options.workloads
    ]


def _prepare(
    workloads: Sequence[Workload], gateways: Sequence[Gateway]
) -> tuple[dict[str, str], dict[str, str]]:
    """Paths of all programs that are needed, and the versions of everything that is measured."""
    if any(isinstance(gateway, Headgate) for gateway in gateways):
        require_release()
    if any(workload.measure == "latency" for workload in workloads):
        load_generator()
    needed = [_ORIGIN, *(program for gateway in gateways for program in gateway.programs)]
    needed += [program for workload in workloads for program in MEASURES[workload.measure].programs]
    programs = require(dict.fromkeys(needed))
    versions = {gateway.name: gateway.version(programs) for gateway in gateways}
    if "wrk" in programs:
        versions["load"] = first_line([programs["wrk"], "-v"]).partition(" [")[0]
    return programs, versions


def _print(section: tables.Section) -> None:
    print(f"\n{section['title']}, {section['connections']} connections\n")
    for table in (tables.figures_table, tables.ratios_table, tables.changes_table):
        if text := table(section):
            print(text, "\n")
    for remark in tables.remarks(section):
        print(f"* {remark}")
    sys.stdout.flush()


def _minutes(plan: Plan, chosen: Sequence[tuple[Workload, Sequence[Gateway]]]) -> float:
    """What the run will take, roughly."""
    seconds = 0.0
    for workload, gateways in chosen:
        one = plan.seconds * (3 if workload.measure == "latency" else 1) + _OVERHEAD_SECONDS
        filling = sum(setup.clients for setup in workload.setups) / _CLIENTS_PER_SECOND
        seconds += plan.rounds * len(gateways) * (one * len(workload.setups) + filling)
    return seconds / 60


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description="CPU time per proxied request, latency and memory beside other gateways.",
    )
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="rounds (default 5)")
    parser.add_argument(
        "--seconds", type=positive, default=2, metavar="S", help="of each measurement (default 2)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write all samples and summaries there"
    )
    parser.add_argument(
        "--workloads",
        type=lambda text: _choice(text, WORKLOADS),
        default=",".join(WORKLOADS),
        metavar="NAMES",
        help=f"which: {', '.join(WORKLOADS)} (default all)",
    )
    parser.add_argument(
        "--peers",
        type=lambda text: _choice(text, GATEWAYS),
        default=_RIVALS,
        metavar="NAMES",
        help=f"which of {', '.join(GATEWAYS)} (default {_RIVALS})",
    )
    parser.add_argument(
        "--setup-peers",
        type=lambda text: _choice(text, GATEWAYS),
        default="headgate",
        metavar="NAMES",
        help="which in workloads that compare the setups of a gateway (default headgate)",
    )
    parser.add_argument(
        "--cores",
        type=two_cores,
        default="0,1",
        metavar="G,L",
        help="core of the gateway and of the load (default 0,1)",
    )
    return parser


def _choice(text: str, there_are: Mapping[str, T]) -> list[T]:
    names = list(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in there_are]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(there_are)}")
    return [there_are[name] for name in names]


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
