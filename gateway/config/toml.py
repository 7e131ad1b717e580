"""Writes tables as TOML the way people do: a header for each table of the first levels, what lies deeper inline."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

WIDTH = 100  # a list that is wider gets a line for each element

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def dumps(tables: Mapping[str, Any]) -> str:
    """A file of tables, lists of tables, and tables of named tables; nothing else may stand at its top. TOML has no null."""
    return (
        "\n\n".join("\n".join(lines) for key, value in tables.items() for lines in _tables(_key(key), value))
        + "\n"
    )


def _tables(path: str, value: Any) -> Iterator[list[str]]:
    """The lines of each table at a path."""
    if isinstance(value, list):
        for table in value:
            yield [f"[[{path}]]", *_pairs(table)]
    elif value and all(isinstance(item, dict) for item in value.values()):
        for key, table in value.items():
            yield [f"[{path}.{_key(key)}]", *_pairs(table)]
    else:
        yield [f"[{path}]", *_pairs(value)]


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        line = f"{_key(key)} = {_inline(value)}"
        if isinstance(value, list) and len(line) > WIDTH:
            elements = "".join(f"    {_inline(element)},\n" for element in value)
            line = f"{_key(key)} = [\n{elements}]"
        yield line


def _inline(value: Any) -> str:
    match value:
        case str():
            return _string(value)
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case bool() | int() | float():
            return orjson.dumps(value).decode()
        case _:
            raise TypeError(f"{type(value).__name__} cannot be written as TOML")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    """A basic string: JSON's escapes are among TOML's, which also wants DEL escaped."""
    return orjson.dumps(text).decode().replace("\x7f", "\\u007F")
