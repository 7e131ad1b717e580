"""Tables of expectations for ``headgate explain --test``: requests, and the route, service, status or location that they get."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.sources import Source
from gateway.config.suggest import did_you_mean
from gateway.config.tables import read, tables
from gateway.errors import ConfigErrors, Mistake
from gateway.supervisor.explain import LOCAL_CLIENT, Asked, Told

TABLE = "expect"
EXPECTED = {"route": str, "service": str, "status": int, "location": str}
KEYS = {"request": str, "headers": dict, "client": str, "listener": str, **EXPECTED}
_WORDS = {str: "a text", int: "a whole number", dict: "a table of texts"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One request, and what is expected of it."""

    place: str
    """``FILE:LINE``."""
    asked: Asked
    expected: dict[str, str | int]
    """Of "route", "service", "status" and "location" those that matter here."""

    def unmet(self, told: Told) -> str:
        """What is otherwise than expected; empty when nothing is."""
        got = _outcomes(told)
        return "; ".join(
            f"expected {key} {_quoted(value)}, got {' or '.join(map(_quoted, got[key])) or 'none'}"
            for key, value in self.expected.items()
            if value not in got[key]
        )


def _outcomes(told: Told) -> dict[str, list[str | int]]:
    """What can be expected of a request; none of what it does not get, and several services where the route splits."""
    own = told.refusal or told.answer
    location = told.answer.location if told.answer else None
    return {
        "route": [told.route.name] if told.route else [],
        "service": [destination.name for destination in told.destinations if destination.weight > 0],
        "status": [own.status] if own else [],
        "location": [location] if location is not None else [],
    }


def read_expectations(path: Path) -> list[Expectation]:
    """The expectations of a file. Raises ConfigErrors with everything that is wrong with it."""
    text = read(path)
    source = Source(str(path), text, tables(text, str(path)))
    if mistakes := list(_mistakes(source)):
        raise ConfigErrors(source.name, mistakes)
    return [_expectation(source, index, table) for index, table in enumerate(source.data[TABLE])]


def _mistakes(source: Source) -> Iterator[Mistake]:
    for key in source.data.keys() - {TABLE}:
        yield source.mistake((key,), f"expected [[{TABLE}]] and nothing else", at_key=True)
    listed = source.data.get(TABLE)
    if not isinstance(listed, list) or not listed or not all(isinstance(table, dict) for table in listed):
        yield source.mistake((TABLE,), f"expected one or more [[{TABLE}]]")
        return
    for index, table in enumerate(listed):
        yield from _mistakes_of(source, index, table)


def _mistakes_of(source: Source, index: int, table: dict[str, Any]) -> Iterator[Mistake]:
    path = (TABLE, index)
    for key, value in table.items():
        if key not in KEYS:
            hint = did_you_mean(key, KEYS) or f"known keys: {', '.join(KEYS)}"
            yield source.mistake((*path, key), f"unknown key; {hint}", at_key=True)
        elif not isinstance(value, KEYS[key]) or isinstance(value, bool):
            yield source.mistake((*path, key), f"expected {_WORDS[KEYS[key]]}")
    headers = table.get("headers", {})
    if isinstance(headers, dict) and not all(isinstance(value, str) for value in headers.values()):
        yield source.mistake((*path, "headers"), f"expected {_WORDS[dict]}")
    request = table.get("request")
    if not isinstance(request, str) or len(request.split(" ")) != 2:
        yield source.mistake(
            (*path, "request"), 'expected a method and a URL, such as "GET http://example.com/"'
        )
    if not EXPECTED.keys() & table.keys():
        yield source.mistake(path, f"expects nothing: name {', '.join(EXPECTED)}")


def _expectation(source: Source, index: int, table: dict[str, Any]) -> Expectation:
    method, url = table["request"].split(" ")
    asked = Asked(
        method,
        url,
        tuple(table.get("headers", {}).items()),
        table.get("client", LOCAL_CLIENT),
        table.get("listener"),
    )
    line = source.positions.value((TABLE, index)).line
    return Expectation(f"{source.name}:{line}", asked, {key: table[key] for key in EXPECTED if key in table})


def _quoted(value: str | int) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
