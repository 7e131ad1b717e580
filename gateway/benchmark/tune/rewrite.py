"""Writes changed values into the text of a configuration file, with a comment for each; everything else stays as it is.

The places come from the parser of error messages. What comes out is read again and must mean what was intended: where
the text is written in a way that this cannot change, nothing is written and the change is told instead.
"""

import copy
import tomllib
from collections.abc import Sequence
from typing import Any

from gateway.benchmark.tune.space import Change, put
from gateway.config import toml
from gateway.config.paths import KeyPath
from gateway.config.positions import Positions
from gateway.config.sources import INCLUDED
from gateway.errors import Place


class RewriteError(Exception):
    """The text cannot be changed in place."""


def rewritten(text: str, changes: Sequence[tuple[Change, str]], prefix: KeyPath = ()) -> str:
    """The text with each change and the comment that belongs to it. ``prefix`` is where the configuration stands in it.

    Raises RewriteError.
    """
    wanted = copy.deepcopy(tomllib.loads(text))
    for change, comment in changes:
        path = (*prefix, *change.path)
        if change.path[0] in INCLUDED and not _has(wanted, path[: len(prefix) + 2]):
            raise RewriteError("it stands in a file that this one includes")
        put(wanted, path, change.value)
        text = _one(text, path, change.value, comment)
    try:
        got = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        got = {}
    if got != wanted:
        raise RewriteError("the file is written in a way that cannot be changed in place")
    return text


def _one(text: str, path: KeyPath, value: Any, comment: str) -> str:
    data = tomllib.loads(text)
    lines = text.split("\n")
    positions = Positions(text)
    if _has(data, path):
        place = positions.value(path)
        line = lines[place.line - 1]
        start = place.column - 1
        lines[place.line - 1] = f"{line[:start]}{_value(value)}{line[start + place.width :]}"
        return _commented(lines, place.line - 1, comment)
    for length in range(len(path) - 1, 0, -1):
        if _has(data, path[:length]):
            place = positions.value(path[:length])
            return _added(lines, place, _assignment(path[length:], value), comment)
    header = ".".join(_key(key) for key in path[:-1])
    return "\n".join([*_trimmed(lines), "", f"[{header}]", f"# {comment}", _assignment(path[-1:], value), ""])


def _added(lines: list[str], place: Place, assignment: str, comment: str) -> str:
    """A key that is not there yet, in the table at a place: below its header, or inside its braces."""
    line = lines[place.line - 1]
    if _is_header(line, place):
        lines[place.line : place.line] = [f"# {comment}", assignment]
        return "\n".join(lines)
    end = place.column - 1 + place.width
    inside = line[place.column - 1 : end]
    if not (inside.startswith("{") and inside.endswith("}")):
        raise RewriteError("a table without a header or braces of its own")
    content = inside[1:-1].strip()
    joined = f"{{ {content}, {assignment} }}" if content else f"{{ {assignment} }}"
    lines[place.line - 1] = f"{line[: place.column - 1]}{joined}{line[end:]}"
    return _commented(lines, place.line - 1, comment)


def _commented(lines: list[str], index: int, comment: str) -> str:
    """The comment above a line, as far to the right as it."""
    indent = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
    lines.insert(index, f"{indent}# {comment}")
    return "\n".join(lines)


def _is_header(line: str, place: Place) -> bool:
    return line[: place.column - 1].strip() in ("[", "[[")


def _has(data: Any, path: KeyPath) -> bool:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _assignment(path: KeyPath, value: Any) -> str:
    return f"{'.'.join(map(_key, path))} = {_value(value)}"


def _value(value: Any) -> str:
    return _pair("_", value).partition(" = ")[2]


def _key(key: str | int) -> str:
    return _pair(str(key), 0).removesuffix(" = 0")


def _pair(key: str, value: Any) -> str:
    """A line as configuration files are written; beside another key, so that a table stands in braces."""
    return toml.dumps({"table": {"": 0, key: value}}).splitlines()[2]
