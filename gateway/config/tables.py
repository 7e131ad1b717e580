"""The text of one file, and the tables in it: of bounded size and depth, and not yet judged."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.config.files import read_regular, reason, shown
from gateway.errors import ConfigErrors, Mistake, Place

MAX_FILE_BYTES = 16 * 1024 * 1024  # some 100,000 routes; more is not a configuration
MAX_DEPTH = 16  # tables and lists in each other; the model has 6

_TOML_PLACE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")


def read(path: Path) -> str:
    """The text of a configuration file. Raises ConfigErrors."""
    try:
        content = read_regular(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise unreadable(shown(path), reason(error)) from None
    try:
        return content.decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable(shown(path), f"not UTF-8: the first wrong byte is in line {line}") from None


def tables(text: str, name: str) -> dict[str, Any]:
    """What stands in a text. Raises ConfigErrors."""
    if len(text) > MAX_FILE_BYTES:
        raise unreadable(name, f"larger than {MAX_FILE_BYTES} bytes")
    if not text.strip():
        raise unreadable(name, "the file is empty")
    try:
        text.encode()  # a lone surrogate is no text
        data = tomllib.loads(text)
    except RecursionError:
        raise unreadable(name, f"tables and lists are nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:
        raise ConfigErrors(name, [_syntax_mistake(text, str(error))]) from None
    if _is_deeper(data, MAX_DEPTH):
        raise unreadable(name, f"tables and lists are nested more than {MAX_DEPTH} deep")
    return data


def unreadable(name: str, message: str) -> ConfigErrors:
    """A file that says nothing."""
    return ConfigErrors(name, [Mistake(message)])


def _syntax_mistake(text: str, message: str) -> Mistake:
    """tomllib's message with its place; at the end of the text where it names none."""
    lines = text.replace("\r\n", "\n").split("\n")
    match = _TOML_PLACE.search(message)
    if match is None or match[1] is None:
        while len(lines) > 1 and not lines[-1].strip():
            lines.pop()
        place = Place(len(lines), len(lines[-1]) + 1)
    else:
        place = Place(int(match[1]), int(match[2]))
    return Mistake(f"not TOML: {_TOML_PLACE.sub('', message)}", "", place, lines[place.line - 1])


def _is_deeper(data: object, limit: int) -> bool:
    """Without recursion, for a dotted key can nest as deep as the file is long."""
    level = [data]
    for _ in range(limit):
        level = [item for value in level for item in _items(value)]
        if not level:
            return False
    return True


def _items(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
