"""How the harness reads what the gateway prints."""

import pytest

from bench.peers.gateways.headgate import parse_ready_line


def test_ready_line() -> None:
    """The port is that of the first listener, whatever else the line says."""
    line = b'{"ready":true,"pid":1,"workers":[2],"listen":["http://127.0.0.1:41233"],"admin":"http://127.0.0.1:9901"}\n'
    assert parse_ready_line(line) == 41233


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Traceback (most recent call last):\n",
        b"[]\n",
        b'{"listen":[]}\n',
        b'{"listen":["unix:/run/headgate"]}\n',
    ],
)
def test_no_ready_line(line: bytes) -> None:
    """Anything else is refused and quoted."""
    with pytest.raises(ValueError, match="ready line"):
        parse_ready_line(line)
