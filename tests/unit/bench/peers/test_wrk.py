"""The command line, the script and the report of wrk."""

from pathlib import Path

import pytest

from bench.peers.job import Setup
from bench.peers.load import LoadError
from bench.peers.load.wrk import parse_report, wrk_command, wrk_script
from bench.peers.workloads import KEEP_ALIVE, WORKLOADS

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
    command = wrk_command("/usr/bin/wrk", KEEP_ALIVE, 8080, 5, None)
    assert command[:7] == ["/usr/bin/wrk", "-t", "1", "-c", "32", "-d", "5s"]
    assert command.count("-H") == 12
    assert command[-1] == "http://127.0.0.1:8080/api/00000/items/42"


def test_command_with_script() -> None:
    """A script is handed over by its path."""
    command = wrk_command("/usr/bin/wrk", KEEP_ALIVE, 8080, 5, Path("/tmp/wrk.lua"))
    assert command[command.index("-s") + 1] == "/tmp/wrk.lua"


def test_plain_requests_need_no_script() -> None:
    """What the command line says is not said twice."""
    assert wrk_script(KEEP_ALIVE, Setup()) == ""


def test_script_of_uploads() -> None:
    """The body has the workload's length."""
    assert (
        wrk_script(WORKLOADS["upload-64k"], Setup())
        == 'wrk.method = "POST"\nwrk.body = string.rep("x", 65536)\n'
    )


def test_script_of_many_paths() -> None:
    """Lua makes the same paths as the workload has."""
    workload = WORKLOADS["routes-10000"]
    script = wrk_script(workload, Setup())
    assert 'string.format("/api/%05d/items/42", number - 1)' in script
    assert "for number = 1, 9999 do" in script
    assert workload.path(17) == "/api/00017/items/42"


def test_many_clients() -> None:
    """A proxy names as many clients as the setup has, beginning with the one that the command line asks for."""
    workload = WORKLOADS["keys-1000000"]
    script = wrk_script(workload, workload.setups[1])
    assert 'wrk.headers["X-Forwarded-For"] = "@"' in script
    assert "turn % 1000000" in script
    assert "turn % 1\n" in wrk_script(workload, workload.setups[0])
    command = wrk_command("/usr/bin/wrk", workload, 8080, 5, Path("/tmp/wrk.lua"), first_client=500_000)
    assert command[-2:] == ["http://127.0.0.1:8080/api/00000/items/42", "500000"]
