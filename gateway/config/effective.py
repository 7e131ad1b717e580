"""The configuration that is in force with every default, as plain values that could stand in a file, and no secret in it."""

from collections.abc import Mapping
from typing import Any

from gateway.config.paths import KeyPath
from gateway.config.rules import broken_rules
from gateway.config.schema import Config

DERIVED = ("name", "burst")  # defaults that are made from other keys of their table, which may be secret


def effective(config: Config, written: Mapping[str, Any]) -> dict[str, Any]:
    """Every value in force; one that was interpolated is shown as the reference that stands in the file.

    ``written`` is the data of the file and of those that it includes, before interpolation. Read in the same environment,
    the result, which includes none, is the same configuration.
    """
    shown = config.model_dump(mode="json", exclude_none=True, exclude={"include"})
    for name, service in config.services.items():
        if service.passive is None:
            shown["services"][name]["passive"] = False  # its word for none; nothing would mean the default
    for finding in list(broken_rules(_escaped(shown))):
        _remove(shown, finding.path)
    restored: dict[str, Any] = _restored(_escaped(shown), written)
    return restored


def _remove(shown: Any, path: KeyPath) -> None:
    """Takes a default out that has no effect here, such as the path of a TCP check: a file may not write that."""
    *parents, key = path
    for parent in parents:
        shown = shown[parent]
    del shown[key]


def _escaped(value: Any) -> Any:
    """Strings that mean themselves when they are read again; without lists that have nothing in them, which no file may
    have.
    """
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {key: _escaped(item) for key, item in value.items() if item != []}
        case list():
            return [_escaped(item) for item in value]
        case _:
            return value


def _restored(shown: Any, written: Any) -> Any:
    """The shown value with every string that has a reference as it was written, short forms included."""
    match shown, written:
        case dict(), dict():
            return {
                key: _restored(value, written.get(key))
                for key, value in shown.items()
                if key in written or key not in DERIVED or not _has_reference(written)
            }
        case dict(), str():  # an instance that is only an address
            return {**shown, "address": _restored(shown["address"], written)}
        case list(), list():
            return [_restored(one, other) for one, other in zip(shown, written, strict=True)]
        case list(), dict():  # a list of one, written without its brackets
            return [_restored(shown[0], written)]
        case _, str() if "${" in written:
            return written
        case _:
            return shown


def _has_reference(table: Mapping[str, Any]) -> bool:
    values = [item for value in table.values() for item in (value if isinstance(value, list) else [value])]
    return any(isinstance(value, str) and "${" in value for value in values)
