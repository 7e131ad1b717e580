"""Which routes can never match, because others of the same host and path are asked first and take all their requests."""

from collections.abc import Iterator
from itertools import product

from gateway.config.matching import Match, Test, folded
from gateway.config.naming import host_pattern, path_pattern
from gateway.config.networks import contains
from gateway.config.paths import KeyPath

MAX_WIDENED = 6
"""Tests of one route that are compared with wider ones; a route with more is compared with its like alone."""

Asked = tuple[str, str, Test]
"""Kind, name and test."""
_Key = tuple[str | None, object, str | None, frozenset[Asked]]


class Shadows:
    """The matches of the routes so far, in the order of the file.

    Of two routes of one host and path the one that asks more is tried first, so only one that asks as much can take all
    requests of another: the same fields, for the same values or for any.
    """

    def __init__(self) -> None:
        """No routes yet."""
        self._seen: dict[_Key, list[tuple[Match, KeyPath]]] = {}

    def add(self, match: Match, path: KeyPath) -> list[tuple[Match, KeyPath] | None]:
        """Adds a route. Returns for each of its methods, or for all methods at once, the earlier route that takes it all."""
        methods: tuple[str | None, ...] = match.methods or (None,)
        takers = [self._taker(match, method) for method in methods]
        for method in methods:
            self._seen.setdefault(_key(match, method, frozenset(_asked(match))), []).append((match, path))
        return takers

    def _taker(self, match: Match, method: str | None) -> tuple[Match, KeyPath] | None:
        for asked in _widened(list(_asked(match))):
            for other, path in self._seen.get(_key(match, method, asked), ()):
                if _takes_clients(other, match) and _takes_listeners(other, match):
                    return other, path
        return None


def is_same(match: Match, other: Match) -> bool:
    """Do the two ask for the same, but for the method?"""
    keys = [_key(one, None, frozenset(_asked(one))) for one in (match, other)]
    return keys[0] == keys[1] and match.clients == other.clients and match.listeners == other.listeners


def _key(match: Match, method: str | None, asked: frozenset[Asked]) -> _Key:
    host = match.host and host_pattern(match.host)
    path = match.path or "/*"  # no path and "/*" take every path
    return host, path_pattern(path) if isinstance(path, str) else path, method, asked


def _asked(match: Match) -> Iterator[Asked]:
    for kind, tests in (("header", match.headers), ("cookie", match.cookies), ("query", match.query)):
        for name, test in (tests or {}).items():
            yield kind, folded(name) if kind == "header" else name, test


def _widened(asked: list[Asked]) -> Iterator[frozenset[Asked]]:
    """What asks for no more, and is asked as early: each value, or that there is any."""
    if len(asked) > MAX_WIDENED:
        yield frozenset(asked)
        return
    choices = [(one,) if isinstance(one[2], bool) else (one, (one[0], one[1], True)) for one in asked]
    yield from map(frozenset, product(*choices))


def _takes_clients(other: Match, match: Match) -> bool:
    if bool(other.clients) != bool(match.clients):
        return False
    return all(any(contains(outer, inner) for outer in other.clients) for inner in match.clients)


def _takes_listeners(other: Match, match: Match) -> bool:
    return bool(other.listeners) == bool(match.listeners) and set(match.listeners) <= set(other.listeners)
