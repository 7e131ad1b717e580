"""The load: wrk with one thread, its command line and what its report says."""

import re
import subprocess
from dataclasses import dataclass

from bench.peers.job import Workload

_TOTALS = re.compile(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
_SOCKET_ERRORS = re.compile(r"^\s*Socket errors: (.*)$", re.MULTILINE)
_STATUS_ERRORS = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)$", re.MULTILINE)
_SECONDS_PER = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GRACE_SECONDS = 30.0
"""How much longer than asked for wrk may run before it is given up."""


class LoadError(Exception):
    """The load saw errors, or wrk did not report: the measurement counts for nothing."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What wrk counted; every request was answered with 2xx or 3xx."""

    requests: int
    seconds: float


def wrk_command(wrk: str, workload: Workload, port: int, seconds: int) -> list[str]:
    """The command line; wrk takes whole seconds only."""
    fields = [argument for name, value in workload.fields for argument in ("-H", f"{name}: {value}")]
    connections = str(workload.connections)
    return [
        wrk,
        "-t",
        "1",
        "-c",
        connections,
        "-d",
        f"{seconds}s",
        *fields,
        f"http://127.0.0.1:{port}{workload.path}",
    ]


def parse_report(output: str) -> LoadReport:
    """Reads wrk's report. Raises LoadError when it mentions an error, no request at all, or is no report."""
    for pattern in (_SOCKET_ERRORS, _STATUS_ERRORS):
        error = pattern.search(output)
        if error:
            raise LoadError(f"wrk saw errors: {error.group(0).strip()}")
    totals = _TOTALS.search(output)
    if totals is None:
        raise LoadError(f"this is not a report of wrk: {output.strip()!r}")
    requests, amount, unit = totals.groups()
    if int(requests) == 0:
        raise LoadError("wrk got no answer to any request")
    return LoadReport(requests=int(requests), seconds=float(amount) * _SECONDS_PER[unit])


def run(wrk: str, workload: Workload, port: int, seconds: int) -> LoadReport:
    """Loads the port and waits for the report; wrk runs on the caller's core."""
    command = wrk_command(wrk, workload, port, seconds)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + _GRACE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise LoadError(f"wrk did not end {_GRACE_SECONDS:.0f} s after its time") from late
    if done.returncode != 0:
        raise LoadError(f"wrk failed with code {done.returncode}: {done.stderr.strip()}")
    return parse_report(done.stdout)
