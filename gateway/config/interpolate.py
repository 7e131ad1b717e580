"""``${env:NAME}`` and ``${file:/path}`` in the strings of a configuration; ``$${`` stands for a literal ``${``."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.config.files import read_regular, reason
from gateway.config.paths import KeyPath
from gateway.errors import InvalidValueError

MAX_FILE_BYTES = 65536  # a secret or a certificate; more is the wrong file

_REFERENCE = re.compile(r"\$(\$\{)|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Reader = Callable[[str], str]
"""Gives the text of the file at an absolute path, or raises InvalidValueError."""


class Interpolated(str):
    """A string that did not stand in the file: it may spell a number, and no report may show it."""

    __slots__ = ()


def interpolate(
    data: dict[str, Any], environ: Mapping[str, str], read_file: Reader
) -> tuple[dict[str, Any], list[tuple[KeyPath, InvalidValueError]]]:
    """A copy of the data with every reference replaced, and the references that lead nowhere.

    Such a value is left as it stands, so that its neighbours can still be checked.
    """
    failures: list[tuple[KeyPath, InvalidValueError]] = []

    def replaced(path: KeyPath, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced((*path, key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced((*path, index), item) for index, item in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            try:
                return _resolved(value, environ, read_file)
            except InvalidValueError as error:
                failures.append((path, error))
        return value

    return replaced((), data), failures


def read_file(path: str) -> str:
    """The text of a regular file, without the newline at its end. Raises InvalidValueError."""
    try:
        return read_regular(path, MAX_FILE_BYTES).decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InvalidValueError("a file in UTF-8") from None
    except (OSError, ValueError) as error:
        raise InvalidValueError("a file that can be read", reason(error)) from None


def _resolved(text: str, environ: Mapping[str, str], read_file: Reader) -> str:
    def target(match: re.Match[str]) -> str:
        escaped, reference, end = match.groups()
        if escaped:
            return "${"
        scheme, _, name = reference.partition(":")
        if end and scheme == "env" and _VARIABLE.fullmatch(name):
            if (value := environ.get(name)) is None:
                raise InvalidValueError(f"the environment variable {name} to be set")
            return value
        if end and scheme == "file" and Path(name).is_absolute():
            return read_file(name)
        raise InvalidValueError(
            '"${env:NAME}" or "${file:/absolute/path}"', 'a literal "${" is written "$${"'
        )

    return Interpolated(_REFERENCE.sub(target, text))
