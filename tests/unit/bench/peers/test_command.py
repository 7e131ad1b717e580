"""The command line of ``python -m bench.peers``."""

import pytest

from bench.peers import __main__ as command
from bench.peers.measure import Plan
from bench.peers.workloads import WORKLOADS


def test_defaults() -> None:
    """Everything is measured beside all rivals, and setups of the gateway itself."""
    options = command._parser().parse_args([])
    assert [workload.name for workload in options.workloads] == list(WORKLOADS)
    assert [gateway.name for gateway in options.peers] == ["headgate", "nginx", "haproxy", "envoy", "caddy"]
    assert [gateway.name for gateway in options.setup_peers] == ["headgate"]


def test_all_of_it_takes_half_an_hour() -> None:
    """The defaults are what a developer can wait for."""
    options = command._parser().parse_args([])
    assert command._minutes(Plan(options.rounds, options.seconds, 0, 1), command._chosen(options)) <= 30


def test_selection() -> None:
    """What is named is measured, once and in the order of its naming."""
    options = command._parser().parse_args(["--workloads", "latency,keepalive,latency", "--peers", "nginx"])
    assert [workload.name for workload in options.workloads] == ["latency", "keepalive"]
    assert [gateway.name for gateway in options.peers] == ["nginx"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workloads", "keepalives"], "unknown: keepalives; there are keepalive, "),
        (["--peers", "apache"], "unknown: apache"),
        (["--rounds", "0"], "not a whole number above 0"),
        (["--cores", "0,0"], "two different ones"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is named with what there is instead, and the exit code is 2."""
    with pytest.raises(SystemExit) as ended:
        command._parser().parse_args(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
