"""Verifies before a measurement that a gateway does its job: forwards to every instance, and rewrites the head."""

import http.client
import time
from collections.abc import Sequence

from bench.peers.job import CHECK_PATH, Job, Workload
from bench.peers.origin import RECEIVED

_SETTLE_SECONDS = 10.0
"""How long a gateway may take until its instances are known to be healthy."""
_POLL_SECONDS = 0.05
_CHECKS = 64
"""Requests within which every instance must have been chosen; by chance one of two is missed in 1 of 2^63 runs."""
_MANY = _CHECKS // 2
"""So many different ones must have been chosen of more instances than that: by chance, 62 of 1,000."""
_FORGED = "203.0.113.9"
"""An address that a client claims to be forwarding for; an edge must not pass it on."""


class VerifyError(Exception):
    """The gateway does not do its job; measuring it would mean nothing."""


def wait_until_forwarding(port: int, workload: Workload) -> None:
    """Returns when the workload's own request is answered as it should be; raises VerifyError when it never is."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (wrong := _wrong_answer(port, workload)) is not None:
        if time.monotonic() > deadline:
            raise VerifyError(f"the workload's request is answered with {wrong}")
        time.sleep(_POLL_SECONDS)


def verify(port: int, job: Job, *, speaks_http: bool) -> None:
    """Returns when the gateway on the port does its job, raises VerifyError naming what is missing.

    Connections are reused sooner or later, so it should have served some requests before.
    """
    seen = [_ask(port, job.workload.host) for _ in range(_CHECKS)]
    problems = instances_missed(seen, job.instances)
    if speaks_http:
        problems += head_problems(seen, job.workload)
        problems += _routing_problems(port, job.workload)
    if problems:
        raise VerifyError("; ".join(problems))


def parse_echo(body: str) -> dict[str, str]:
    """What the origin's check path answered: ``name=value`` lines."""
    return {name: value for name, _, value in (line.partition("=") for line in body.splitlines())}


def instances_missed(seen: Sequence[dict[str, str]], instances: Sequence[tuple[str, int]]) -> list[str]:
    """A sentence for every instance that no check request reached; of many, one sentence when it was too few."""
    reached = {echo.get("instance") for echo in seen}
    missed = [f"{host}:{port}" for host, port in instances if f"{host}:{port}" not in reached]
    if len(instances) <= _MANY:
        return [f"instance {address} got no request" for address in missed]
    found = len(instances) - len(missed)
    return [f"only {found} of {len(instances)} instances got a request"] if found < _MANY else []


def head_problems(seen: Sequence[dict[str, str]], workload: Workload) -> list[str]:
    """A sentence for everything that is wrong with the heads which the origin received."""
    expected = {"host": workload.host, "x-forwarded-proto": "http", "x-forwarded-host": workload.host}
    problems = [
        f"the origin got {name} {echo.get(name, '')!r} instead of {value!r}"
        for echo in seen[:1]
        for name, value in expected.items()
        if echo.get(name) != value
    ]
    problems += [
        f"the origin got the clients {echo.get('x-forwarded-for', '')!r}"
        for echo in seen[:1]
        if not _is_right_client(echo.get("x-forwarded-for", ""), workload)
    ]
    if all(echo.get("requests-on-connection") == "1" for echo in seen):
        problems.append("no connection to the origin is used twice")
    return problems


def answer_problem(status: int, body: bytes, workload: Workload) -> str | None:
    """What is wrong with an answer to the workload's request; None when nothing is."""
    if status != 200 or len(body) != workload.response_bytes:
        return f"status {status} with {len(body)} bytes"
    if workload.request_bytes:
        received = body.decode("latin-1").removeprefix(RECEIVED).partition(" ")[0]
        if not received.isdecimal() or int(received) < workload.request_bytes:
            return f"{body[:32]!r} to {workload.request_bytes} bytes"
    return None


def _is_right_client(field: str, workload: Workload) -> bool:
    """A client's own word is replaced; a trusted proxy is believed, and may be named behind its client."""
    if workload.behind_proxy:
        return field.partition(",")[0] == _FORGED
    return field == "127.0.0.1"


def _wrong_answer(port: int, workload: Workload) -> str | None:
    try:
        status, body = _request(port, workload.path(), workload.host, workload.request_bytes)
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    return answer_problem(status, body, workload)


def _routing_problems(port: int, workload: Workload) -> list[str]:
    """The route must match by host and by path; whatever else a gateway answers, it is not the origin's 200."""
    strays = {
        "another host": (workload.path(), "other.example.org"),
        "another path": ("/other", workload.host),
    }
    return [
        f"{what} is forwarded too"
        for what, (path, host) in strays.items()
        if _request(port, path, host)[0] == 200
    ]


def _ask(port: int, host: str) -> dict[str, str]:
    status, body = _request(port, CHECK_PATH, host)
    if status != 200:
        raise VerifyError(f"a check request is answered with status {status}")
    return parse_echo(body.decode("latin-1"))


def _request(port: int, path: str, host: str, body_bytes: int = 0) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {"Host": host, "X-Forwarded-For": _FORGED}
    try:
        if body_bytes:
            connection.request("POST", path, body=b"x" * body_bytes, headers=headers)
        else:
            connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
