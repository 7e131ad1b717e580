"""Where in a configuration something stands, as a path of keys and indexes."""

import re
from typing import NamedTuple

KeyPath = tuple[str | int, ...]
"""Keys and array indexes from the root, such as ``("routes", 1, "limit", "rate")``."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def dotted(path: KeyPath) -> str:
    """The path as people write it: ``routes[1].limit.rate``, with quotes around keys that TOML would quote."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        key = step if _BARE_KEY.fullmatch(step) else f'"{_escaped(step)}"'
        text += f".{key}" if text else key
    return text


def _escaped(key: str) -> str:
    return "".join(
        char if char.isprintable() and char not in '"\\' else f"\\u{ord(char):04x}" for char in key
    )


class Followed(NamedTuple):
    """How far a path of the model leads through the data of a file."""

    path: KeyPath
    """The same path in the file."""
    value: object
    """What stands there."""
    rest: KeyPath
    """The steps that the file does not have."""


def follow(data: object, path: KeyPath) -> Followed:
    """Follows a path of the model through the data of a file as far as the data goes.

    The model has a list where the file may have its single element, and a table where the file may have a short form;
    so an index into a table is passed over, and the path ends where the data does.
    """
    found: KeyPath = ()
    for number, step in enumerate(path):
        if isinstance(data, dict) and isinstance(step, int):
            continue
        match data:
            case dict() if step in data:
                data = data[step]
            case list() if isinstance(step, int) and step < len(data):
                data = data[step]
            case _:
                return Followed(found, data, path[number:])
        found += (step,)
    return Followed(found, data, ())
