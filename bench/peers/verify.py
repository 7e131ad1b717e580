"""Verifies before a measurement that a gateway does its job: forwards to every instance, and rewrites the head."""

import http.client
import time
from collections.abc import Sequence

from bench.peers.job import CHECK_PATH, Job

_SETTLE_SECONDS = 10.0
"""How long a gateway may take until its instances are known to be healthy."""
_POLL_SECONDS = 0.05
_CHECKS = 64
"""Requests within which every instance must have been chosen; by chance one of two is missed in 1 of 2^63 runs."""
_FORGED = "203.0.113.9"
"""An address that a client claims to be forwarding for; an edge must not pass it on."""


class VerifyError(Exception):
    """The gateway does not do its job; measuring it would mean nothing."""


def verify(port: int, job: Job, *, speaks_http: bool) -> None:
    """Returns when the gateway on the port does its job, raises VerifyError naming what is missing."""
    _wait_until_forwarding(port, job)
    seen = [_ask(port, job.workload.host) for _ in range(_CHECKS)]
    problems = instances_missed(seen, job.instances)
    if speaks_http:
        problems += head_problems(seen, job.workload.host)
        problems += _routing_problems(port, job)
    if problems:
        raise VerifyError("; ".join(problems))


def parse_echo(body: str) -> dict[str, str]:
    """What the origin's check path answered: ``name=value`` lines."""
    return {name: value for name, _, value in (line.partition("=") for line in body.splitlines())}


def instances_missed(seen: Sequence[dict[str, str]], instances: Sequence[tuple[str, int]]) -> list[str]:
    """A sentence for every instance that no check request reached."""
    reached = {echo.get("port") for echo in seen}
    return [f"instance {host}:{port} got no request" for host, port in instances if str(port) not in reached]


def head_problems(seen: Sequence[dict[str, str]], host: str) -> list[str]:
    """A sentence for everything that is wrong with the heads which the origin received."""
    expected = {
        "host": host,
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": host,
    }
    problems = [
        f"the origin got {name} {echo.get(name, '')!r} instead of {value!r}"
        for echo in seen[:1]
        for name, value in expected.items()
        if echo.get(name) != value
    ]
    if all(echo.get("requests-on-connection") == "1" for echo in seen):
        problems.append("no connection to the origin is used twice")
    return problems


def _wait_until_forwarding(port: int, job: Job) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            status, body = _get(port, job.workload.path, job.workload.host)
        except (OSError, http.client.HTTPException) as error:
            outcome = repr(error)
        else:
            if status == 200 and len(body) == job.workload.response_bytes:
                return
            outcome = f"status {status} with {len(body)} bytes"
        if time.monotonic() > deadline:
            raise VerifyError(f"the workload's request is answered with {outcome}")
        time.sleep(_POLL_SECONDS)


def _routing_problems(port: int, job: Job) -> list[str]:
    """The route must match by host and by path; whatever else a gateway answers, it is not the origin's 200."""
    strays = {
        "another host": (job.workload.path, "other.example.org"),
        "another path": ("/other", job.workload.host),
    }
    return [
        f"{what} is forwarded too"
        for what, (path, host) in strays.items()
        if _get(port, path, host)[0] == 200
    ]


def _ask(port: int, host: str) -> dict[str, str]:
    status, body = _get(port, CHECK_PATH, host)
    if status != 200:
        raise VerifyError(f"a check request is answered with status {status}")
    return parse_echo(body.decode("latin-1"))


def _get(port: int, path: str, host: str) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host, "X-Forwarded-For": _FORGED})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
