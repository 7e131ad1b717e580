"""Reads the mix of requests from a TOML file: ``[[requests]]`` with method, path, headers, body and weight."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.benchmark.load import LoadError, Request
from gateway.config.suggest import did_you_mean
from gateway.config.tables import read, tables
from gateway.config.units import Size
from gateway.errors import ConfigErrors, InvalidValueError

MAX_BODY_BYTES = 256 * 1024 * 1024
_KEYS = {"name": str, "method": str, "path": str, "headers": dict, "body": str, "body_file": str, "body_size": str,
         "weight": int}  # fmt: skip


def read_requests(path: Path) -> tuple[Request, ...]:
    """The requests of a file. Raises LoadError."""
    try:
        document = tables(read(path), str(path))
    except ConfigErrors as error:
        raise LoadError(str(error)) from None
    if set(document) != {"requests"}:
        raise LoadError(f"{path}: expected [[requests]] and nothing else")
    return parse_requests(document["requests"], str(path), path.parent)


def parse_requests(listed: object, name: str, folder: Path) -> tuple[Request, ...]:
    """The requests of a list of tables; ``name`` stands for the file, whose folder ``body_file`` is looked up in."""
    if not isinstance(listed, list) or not listed or not all(isinstance(table, dict) for table in listed):
        raise LoadError(f"{name}: expected one or more [[requests]]")
    requests = tuple(
        _request(table, f"{name}: requests[{index}]", folder) for index, table in enumerate(listed)
    )
    if len({request.name for request in requests}) < len(requests):
        raise LoadError(f'{name}: two requests have the same name: give each a name = "…"')
    return requests


def _request(table: Mapping[str, Any], where: str, folder: Path) -> Request:
    for key, value in table.items():
        if key not in _KEYS:
            raise LoadError(f"{where}: unknown key {key!r} {did_you_mean(key, _KEYS)}".rstrip())
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise LoadError(f"{where}.{key}: expected a {_KEYS[key].__name__}")
    body = _body(table, where, folder)
    method = table.get("method", "POST" if body else "GET").upper()
    path = table.get("path", "/")
    headers = tuple((name, str(value)) for name, value in table.get("headers", {}).items())
    try:
        return Request(
            table.get("name", f"{method} {path}"), method, path, headers, body, table.get("weight", 1)
        )
    except LoadError as error:
        raise LoadError(f"{where}: {error}") from None


def _body(table: Mapping[str, Any], where: str, folder: Path) -> bytes:
    given = [key for key in ("body", "body_file", "body_size") if key in table]
    if len(given) > 1:
        raise LoadError(f"{where}: only one of {' and '.join(given)}")
    if "body" in table:
        return str(table["body"]).encode()
    if "body_size" in table:
        try:
            size = Size.parse(table["body_size"]).bytes
        except InvalidValueError as error:
            raise LoadError(f"{where}.body_size: {error}") from None
        if size > MAX_BODY_BYTES:
            raise LoadError(f"{where}.body_size: at most {MAX_BODY_BYTES} bytes")
        return b"x" * size
    if "body_file" in table:
        return read_body(folder / table["body_file"])
    return b""


def read_body(path: Path) -> bytes:
    """The content of a file as a body. Raises LoadError."""
    try:
        if path.stat().st_size > MAX_BODY_BYTES:
            raise LoadError(f"{path}: a body has at most {MAX_BODY_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise LoadError(f"{path}: {(error.strerror or str(error)).lower()}") from None
