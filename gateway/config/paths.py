"""Where in a configuration something stands, as a path of keys and indexes."""

import re

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


def follow(data: object, path: KeyPath) -> tuple[KeyPath, object]:
    """Follows a path of the model through the data of a file as far as the data goes.

    The model has a list where the file may have its single element, and a table where the file may have a short form;
    so an index into a table is passed over, and the path ends where the data does. Returns the path in the file and
    what stands there.
    """
    found: KeyPath = ()
    for step in path:
        if isinstance(data, dict):
            if isinstance(step, int):
                continue
            if step not in data:
                break
            data = data[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            break
        found += (step,)
    return found, data
