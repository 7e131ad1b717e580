"""Loads as values: targets, requests on the wire, schedules and mixes."""

from collections import Counter
from itertools import islice

import pytest

from gateway.benchmark.load import (
    Closed,
    Load,
    LoadError,
    Replay,
    Request,
    Steady,
    Step,
    Target,
    rate_of,
    spread_over,
)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "/"),
        ("http://example.com/a?b=c", "example.com", "/a?b=c"),
        ("https://example.com:443/", "example.com", "/"),
        ("https://[::1]/", "[::1]", "/"),
        ("http://[::1]:81/", "[::1]:81", "/"),
    ],
)
def test_targets(url: str, authority: str, path: str) -> None:
    """Host names the port unless it is the scheme's own (RFC 9110 §7.2)."""
    target = Target.parse(url)
    assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:80",
        "ftp://a/",
        "http://",
        "http://a:99999/",
        "http://user@a/",
        "http://a/b c",
        "http://a/ü",
    ],
)
def test_wrong_targets(url: str) -> None:
    """What cannot be asked is refused before anything is sent."""
    with pytest.raises(LoadError):
        Target.parse(url)


def test_requests_on_the_wire() -> None:
    """Host, length and connection are added unless the fields say them."""
    request = Request("r", "POST", "/a", (("X-A", "1"), ("host", "b")), b"xy")
    assert request.encode("t", keep_alive=False) == (
        b"POST /a HTTP/1.1\r\nX-A: 1\r\nhost: b\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy"
    )
    assert Request("r").encode("t", keep_alive=True) == b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
    assert b"Content-Length: 0" in Request("r", "POST").encode("t", keep_alive=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "GE T"}, {"path": "a"}, {"path": "/a b"}, {"path": "/a\r\nX: y"}, {"weight": 0},
        {"fields": (("A", "b\r\nC: d"),)}, {"fields": (("A b", "c"),)},
    ],
)  # fmt: skip
def test_requests_that_would_be_others_on_the_wire(wrong: dict[str, object]) -> None:
    """Nothing in a request can end a line."""
    with pytest.raises(LoadError):
        Request("r", **wrong)  # type: ignore[arg-type]


def test_the_schedule_is_even_and_whole() -> None:
    """So many requests a second, equally far apart, step after step."""
    steady = Steady((Step(10, 0.5), Step(100, 0.05)))
    due = list(steady.schedule())
    assert due == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.51, 0.52, 0.53, 0.54])
    assert rate_of(steady) == pytest.approx(10 / 0.55)
    assert rate_of(Closed(3)) is None
    assert rate_of(Replay((0.0, 1.0, 3.999), (0, 0, 0))) == pytest.approx(0.75)


def test_the_mix_has_the_weights() -> None:
    """Drawn from a seed: the same again, and the shares are the weights."""
    load = Load((Request("a", weight=9), Request("b", weight=1)), Closed(1), 1)
    drawn = Counter(islice(load.mix(), 10_000))
    assert drawn[0] / 10_000 == pytest.approx(0.9, abs=0.02)
    assert list(islice(load.mix(), 300)) == list(islice(load.mix(), 300))


def test_a_cycle_has_the_weights_evenly() -> None:
    """Smooth: a rare request stands alone, and every one has a turn."""
    cycle = spread_over((Request("a", weight=3), Request("b", weight=1)))
    assert sorted(Counter(cycle).items()) == [(0, 3), (1, 1)]
    assert cycle != [0, 0, 0, 1]
    assert len(spread_over([Request("a", weight=700), Request("b", weight=300)])) == 100
