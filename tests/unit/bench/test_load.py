"""The command line and the report of wrk."""

import pytest

from bench.peers.job import KEEP_ALIVE
from bench.peers.load import LoadError, parse_report, wrk_command

REPORT = """\
Running 5s test @ http://127.0.0.1:41233/api/v1/items/42
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   544.03us  120.11us   4.31ms   92.10%
    Req/Sec    58.90k     2.20k   61.92k    84.00%
  {requests} requests in {elapsed}, 61.02MB read
{errors}Requests/sec:  58596.35
Transfer/sec:     11.96MB
"""


def report(requests: int = 293057, elapsed: str = "5.00s", errors: str = "") -> str:
    """What wrk prints."""
    return REPORT.format(requests=requests, elapsed=elapsed, errors=errors)


@pytest.mark.parametrize(
    ("elapsed", "seconds"),
    [("5.00s", 5.0), ("1.10m", 66.0), ("900.00ms", 0.9), ("50.00us", 50e-6), ("1.00h", 3600.0)],
)
def test_report(elapsed: str, seconds: float) -> None:
    """Requests and time are read in whichever unit wrk chose."""
    found = parse_report(report(elapsed=elapsed))
    assert found.requests == 293057
    assert found.seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    "errors",
    ["  Socket errors: connect 0, read 3, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 17\n"],
)
def test_errors_void_the_report(errors: str) -> None:
    """A single error makes the whole measurement worthless, and the message quotes it."""
    with pytest.raises(LoadError, match=errors.strip()):
        parse_report(report(errors=errors))


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_no_report(output: str) -> None:
    """Anything else than a report is an error."""
    with pytest.raises(LoadError, match="not a report"):
        parse_report(output)


def test_no_request() -> None:
    """A report without a single answer cannot be divided by."""
    with pytest.raises(LoadError, match="no answer"):
        parse_report(report(requests=0))


def test_command() -> None:
    """The load runs one thread with every header field of the workload."""
    command = wrk_command("/usr/bin/wrk", KEEP_ALIVE, 8080, 5)
    assert command[:7] == ["/usr/bin/wrk", "-t", "1", "-c", "32", "-d", "5s"]
    assert command.count("-H") == 12
    assert command[-1] == "http://127.0.0.1:8080/api/v1/items/42"


def test_workload_is_what_its_name_says() -> None:
    """The keep-alive workload has twelve fields in a head of about 600 bytes."""
    assert len(KEEP_ALIVE.fields) == 12
    assert 560 <= len(KEEP_ALIVE.head) <= 680
    assert KEEP_ALIVE.head.endswith(b"\r\n\r\n")
