"""Routes that take all requests of a later one."""

import pytest

from gateway.config.matching import Match, Pattern
from gateway.config.networks import read_network
from gateway.config.shadowing import Shadows, is_same
from gateway.model import ListenAddress

WIDE, NARROW, OTHER = map(read_network, ("10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"))
ONE, TWO = map(ListenAddress.parse, ("127.0.0.1:1", "127.0.0.1:2"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Match(), Match()),
        (Match(path="/*"), Match()),
        (Match("a", "/x"), Match("a", "/x")),
        (Match(path=Pattern("a")), Match(path=Pattern("a"))),
        (Match(headers={"X-A": "1"}), Match(headers={"x_a": "1"})),
        (Match(headers={"a": True}), Match(headers={"a": "1"})),
        (Match(query={"a": True, "b": "2"}), Match(query={"a": Pattern("1"), "b": "2"})),
        (Match(cookies={"a": False}), Match(cookies={"a": False})),
        (Match(clients=(WIDE, OTHER)), Match(clients=(NARROW,))),
        (Match(listeners=(ONE, TWO)), Match(listeners=(TWO,))),
        (Match(methods=("GET", "PUT")), Match(methods=("PUT",))),
    ],
)
def test_a_route_that_takes_all_of_another(first: Match, second: Match) -> None:
    """It asks for the same fields and for no narrower values."""
    shadows = Shadows()
    assert shadows.add(first, ("routes", 0)) == [None] * max(1, len(first.methods))
    assert shadows.add(second, ("routes", 1)) == [(first, ("routes", 0))]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Match("a"), Match("b")),
        (Match(path="/x"), Match(path="/x/*")),
        (Match(path="/x"), Match(path=Pattern("/x"))),
        (Match(), Match(headers={"a": "1"})),  # the second is asked first
        (Match(headers={"a": "1"}), Match()),
        (Match(headers={"a": "1"}), Match(headers={"a": True})),
        (Match(headers={"a": "1"}), Match(headers={"a": "2"})),
        (Match(headers={"a": True}), Match(headers={"a": False})),
        (Match(headers={"a": True}), Match(cookies={"a": True})),
        (Match(cookies={"a": True}), Match(cookies={"A": True})),
        (Match(query={"a": True}), Match(query={"a": True, "b": True})),
        (Match(clients=(NARROW,)), Match(clients=(WIDE,))),
        (Match(clients=(WIDE,)), Match(clients=(NARROW, OTHER))),
        (Match(clients=(WIDE,)), Match()),
        (Match(), Match(clients=(WIDE,))),
        (Match(listeners=(ONE,)), Match(listeners=(ONE, TWO))),
        (Match(), Match(listeners=(ONE,))),
        (Match(), Match(methods=("GET",))),
        (Match(methods=("GET",)), Match()),
    ],
)
def test_a_route_that_leaves_something_to_another(first: Match, second: Match) -> None:
    """Or is asked later."""
    shadows = Shadows()
    shadows.add(first, ("routes", 0))
    assert not any(shadows.add(second, ("routes", 1)))


def test_each_method_is_looked_at() -> None:
    """What takes one method of a route is named at its place."""
    shadows = Shadows()
    get = Match(methods=("GET",))
    shadows.add(get, ("routes", 0))
    assert shadows.add(Match(methods=("PUT", "GET")), ("routes", 1)) == [None, (get, ("routes", 0))]


def test_the_same_match() -> None:
    """The method apart."""
    assert is_same(Match(path="/*", methods=("GET",)), Match(headers={}))
    assert is_same(Match(headers={"X-A": "1"}), Match(headers={"x_a": "1"}))
    assert not is_same(Match(clients=(WIDE,)), Match(clients=(NARROW,)))
    assert not is_same(Match(listeners=(ONE,)), Match(listeners=(TWO,)))
    assert not is_same(Match(query={"a": "1"}), Match(query={"a": True}))


def test_a_route_that_asks_much_costs_little() -> None:
    """Sixteen values have 65,536 wider forms, which are not gone through."""
    many = {f"h{number}": "1" for number in range(16)}
    shadows = Shadows()
    for number in range(100):
        shadows.add(Match(headers={**many, "h0": str(number)}), ("routes", number))
    assert shadows.add(Match(headers={**many, "h0": "7"}), ("routes", 100))[0] is not None
    assert len(shadows._seen) == 100
