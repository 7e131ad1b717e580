"""What the harness demands of a gateway before it measures it."""

import pytest

from bench.peers.verify import answer_problem, head_problems, instances_missed, parse_echo
from bench.peers.workloads import KEEP_ALIVE, WORKLOADS

HOST = "api.example.com"
GOOD = {
    "instance": "127.0.0.1:9001",
    "requests-on-connection": "1",
    "host": HOST,
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": HOST,
}
REUSED = {**GOOD, "instance": "127.0.0.2:9001", "requests-on-connection": "2"}


def test_echo() -> None:
    """Values may be empty and may hold an equals sign."""
    assert parse_echo("instance=127.0.0.1:9001\nconnection=\nhost=a=b\n") == {
        "instance": "127.0.0.1:9001",
        "connection": "",
        "host": "a=b",
    }


def test_good_gateway() -> None:
    """A gateway that does everything has no problem."""
    assert head_problems([GOOD, REUSED], KEEP_ALIVE) == []
    assert instances_missed([GOOD, REUSED], [("127.0.0.1", 9001), ("127.0.0.2", 9001)]) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("x-forwarded-for", ""),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-for", "203.0.113.9, 127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", ""),
        ("host", "service"),
    ],
)
def test_wrong_field(field: str, value: str) -> None:
    """A missing, forged, continued or wrong field is named with what came instead."""
    problems = head_problems([{**GOOD, field: value}, REUSED], KEEP_ALIVE)
    assert len(problems) == 1
    assert repr(value) in problems[0]


@pytest.mark.parametrize(
    ("field", "right"),
    [("203.0.113.9", True), ("203.0.113.9, 127.0.0.1", True), ("127.0.0.1", False), ("", False)],
)
def test_client_behind_a_proxy(field: str, right: bool) -> None:
    """Where the proxy is trusted, the client that it names is the first that the origin learns of."""
    problems = head_problems([{**GOOD, "x-forwarded-for": field}, REUSED], WORKLOADS["keys-1000000"])
    assert (problems == []) == right


def test_no_keep_alive_to_the_origin() -> None:
    """A gateway that opens a connection for each request is not tuned for the job."""
    assert head_problems([GOOD, GOOD], KEEP_ALIVE) == ["no connection to the origin is used twice"]


def test_missed_instance() -> None:
    """An instance that got no request is named."""
    problems = instances_missed([GOOD], [("127.0.0.1", 9001), ("127.0.0.2", 9001)])
    assert problems == ["instance 127.0.0.2:9001 got no request"]


def test_many_instances() -> None:
    """Of a thousand instances no request has to reach each, but a gateway that knows a few of them is found out."""
    instances = [(f"127.0.1.{number}", 9001) for number in range(200)]
    seen = [{**GOOD, "instance": f"{host}:{port}"} for host, port in instances]
    assert instances_missed(seen[:50], instances) == []
    assert instances_missed(seen[:5], instances) == ["only 5 of 200 instances got a request"]


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b"x" * 64, None),
        (200, b"x" * 63, "status 200 with 63 bytes"),
        (404, b"x" * 64, "status 404 with 64 bytes"),
    ],
)
def test_answer(status: int, body: bytes, problem: str | None) -> None:
    """The workload's request is answered with 200 and a body of the right length."""
    assert answer_problem(status, body, KEEP_ALIVE) == problem


@pytest.mark.parametrize(
    ("received", "right"), [("received 65800 ", True), ("received 40000 ", False), ("", False)]
)
def test_answer_to_an_upload(received: str, right: bool) -> None:
    """The origin says how much it got, and that must be the whole body."""
    problem = answer_problem(200, received.ljust(64, "x").encode(), WORKLOADS["upload-64k"])
    assert (problem is None) == right
