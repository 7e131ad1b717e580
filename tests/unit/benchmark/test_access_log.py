"""Logs as loads: their timing, what is left out, and what nobody should replay."""

import pytest

from gateway.benchmark.access_log import read_access_log
from gateway.benchmark.load import LoadError

OWN = (
    '{{"time":"2026-01-02T03:04:{second}Z","request_id":"5","client":"192.0.2.1","peer":null,"method":"{method}",'
    '"host":{host},"path":"{path}","status":200}}'
)


def own(second: str = "05.000", method: str = "GET", path: str = "/a", host: str = '"h"') -> str:
    """A line as the gateway writes it."""
    return OWN.format(second=second, method=method, path=path, host=host)


def test_own_lines_keep_their_distances() -> None:
    """Lines stand in the order in which the answers ended; requests go in the order in which they came."""
    recording = read_access_log([own("06.500", path="/b"), own("05.000"), own("05.250")])
    assert recording.replay.due == pytest.approx((0.0, 0.25, 1.5))
    assert [recording.requests[index].path for index in recording.replay.which] == ["/a", "/a", "/b"]
    assert recording.requests[0].fields == (("Host", "h"),)
    assert recording.skipped == {}


def test_speed() -> None:
    """Twice as fast halves the distances."""
    assert read_access_log([own("05.000"), own("06.000")], speed=2.0).replay.due == (0.0, 0.5)


def test_whole_seconds_are_spread() -> None:
    """The combined format tells seconds: four requests of one are a quarter apart, and no burst."""
    line = '192.0.2.1 - - [02/Jan/2026:03:04:{:02} +0100] "GET /a?b=c HTTP/1.1" 200 5 "-" "curl"'
    recording = read_access_log([line.format(5)] * 4 + [line.format(6)])
    assert recording.replay.due == pytest.approx((0, 0.25, 0.5, 0.75, 1.0))
    assert recording.requests[0].path == "/a?b=c"


def test_what_is_not_safe_is_left_out() -> None:
    """A POST may order something: only on demand."""
    lines = [own(), own(method="POST")]
    recording = read_access_log(lines)
    assert (len(recording.replay.due), recording.skipped) == (1, {"POST is not safe to repeat": 1})
    assert len(read_access_log(lines, unsafe=True).replay.due) == 2


@pytest.mark.parametrize(
    "line",
    [
        own(path="/a\\r\\nX: y"), own(path="/cut…"), own().replace('"/a"', "null"), '{"time":5}', "{", "[]", "nonsense",
        own(second="99.000"), '- - - [99/Foo/2026:00:00:00 +0000] "GET / HTTP/1.1"', own(host='"h\\r\\nX: y"'),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_counted(line: str) -> None:
    """One bad line of a log spoils nothing, and nothing of it reaches the wire."""
    recording = read_access_log([line, own(), "\n"])
    assert (len(recording.replay.due), sum(recording.skipped.values())) == (1, 1)


def test_nothing_to_replay() -> None:
    """The reasons are said."""
    with pytest.raises(LoadError, match="2 × DELETE is not safe"):
        read_access_log([own(method="DELETE")] * 2)
    with pytest.raises(LoadError, match="empty"):
        read_access_log([])
