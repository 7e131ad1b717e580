"""What the harness demands of a gateway before it measures it."""

import pytest

from bench.peers.verify import head_problems, instances_missed, parse_echo

HOST = "api.example.com"
GOOD = {
    "port": "9001",
    "requests-on-connection": "1",
    "host": HOST,
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": HOST,
}
REUSED = {**GOOD, "port": "9002", "requests-on-connection": "2"}


def test_echo() -> None:
    """Values may be empty and may hold an equals sign."""
    assert parse_echo("port=9001\nconnection=\nhost=a=b\n") == {
        "port": "9001",
        "connection": "",
        "host": "a=b",
    }


def test_good_gateway() -> None:
    """A gateway that does everything has no problem."""
    assert head_problems([GOOD, REUSED], HOST) == []
    assert instances_missed([GOOD, REUSED], [("127.0.0.1", 9001), ("127.0.0.1", 9002)]) == []


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
    problems = head_problems([{**GOOD, field: value}, REUSED], HOST)
    assert len(problems) == 1
    assert f"{field} {value!r}" in problems[0]


def test_no_keep_alive_to_the_origin() -> None:
    """A gateway that opens a connection for each request is not tuned for the job."""
    assert head_problems([GOOD, GOOD], HOST) == ["no connection to the origin is used twice"]


def test_missed_instance() -> None:
    """An instance that got no request is named."""
    problems = instances_missed([GOOD], [("127.0.0.1", 9001), ("127.0.0.1", 9002)])
    assert problems == ["instance 127.0.0.1:9002 got no request"]
