"""Turns what was found wrong into mistakes that show the place in the file and what was expected there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config.draft import has_named_tables, submodel
from gateway.config.findings import Finding
from gateway.config.interpolate import Interpolated
from gateway.config.paths import KeyPath, dotted, follow
from gateway.config.schema import Config
from gateway.config.sources import Sources
from gateway.config.suggest import closest, did_you_mean
from gateway.errors import InvalidValueError, Mistake

# What pydantic calls the mistakes that are not found by a reader of ours.
_TYPE_MESSAGES = {
    "missing": "this key is required",
    "extra_forbidden": "unknown key",
    "model_type": "expected a table",
    "dict_type": "expected a table",
    "tuple_type": "expected a list",
}
_HEADERS = {"listen": "write [[listen]]", "services": "write [services.NAME]", "routes": "write [[routes]]"}
_KEY_OF_TABLE = "[key]"  # the last step of pydantic's path when a table's own name is wrong


class Explainer:
    """Makes mistakes from files and the data in them."""

    def __init__(self, sources: Sources, data: Mapping[str, Any]) -> None:
        """``data`` is the content of the files after interpolation."""
        self._sources = sources
        self._data = data

    def mistakes(
        self,
        unresolved: Iterable[tuple[KeyPath, InvalidValueError]],
        findings: Iterable[Finding],
        invalid: ValidationError | None,
    ) -> list[Mistake]:
        """Everything that is wrong: references that lead nowhere, broken rules, values that do not fit the model."""
        dangling = [
            self._mistake(path, f"expected {error.expected}", error.hint) for path, error in unresolved
        ]
        others = [self._mistake(finding.path, finding.message, finding.hint) for finding in findings]
        if invalid:
            others += self._invalid(invalid)
        # Whatever else was found at a reference that leads nowhere was found in the reference's own text.
        places = {mistake.path for mistake in dangling}
        return [*dangling, *(other for other in others if other.path not in places)]

    def _invalid(self, error: ValidationError) -> Iterator[Mistake]:
        details = error.errors(include_url=False)
        unknown = {detail["loc"] for detail in details if detail["type"] == "extra_forbidden"}
        for detail in details:
            path: KeyPath = detail["loc"]
            match detail["type"]:
                case "default_factory_not_called":  # follows from another mistake
                    continue
                case "missing" if _is_misspelt(path, unknown):
                    continue
                case "extra_forbidden":
                    yield self._unknown_key(path)
                case "value_error":
                    yield self._wrong_value(path, detail["ctx"]["error"])
                case other:
                    message = _TYPE_MESSAGES.get(other, detail["msg"])
                    yield self._mistake(path, message, _HEADERS.get(dotted(path), ""))

    def _unknown_key(self, path: KeyPath) -> Mistake:
        known = known_keys(path[:-1])
        hint = did_you_mean(str(path[-1]), known) or f"known keys: {', '.join(known)}"
        return self._mistake(path, _TYPE_MESSAGES["extra_forbidden"], hint, at_key=True)

    def _wrong_value(self, path: KeyPath, error: Exception) -> Mistake:
        at_key = path[-1] == _KEY_OF_TABLE
        path = path[:-1] if at_key else path
        if not isinstance(error, InvalidValueError):
            raise error
        secret = isinstance(follow(self._data, path).value, Interpolated)
        hint = "" if secret else error.hint
        return self._mistake(path, f"expected {error.expected}", hint, at_key=at_key)

    def _mistake(self, path: KeyPath, message: str, hint: str = "", *, at_key: bool = False) -> Mistake:
        found, value, rest = follow(self._data, path)
        source, local = self._sources.find(found)
        # A key that is missing is named, although it is shown where its table begins.
        named = local + rest if isinstance(value, dict) else local
        sentence = f"{message}; {hint}" if hint else message
        return replace(source.mistake(local, sentence, at_key=at_key), path=dotted(named))


def known_keys(path: KeyPath) -> tuple[str, ...]:
    """The keys that the table at a path of the model may have."""
    model: type[BaseModel] = Config
    steps = iter(path)
    for step in steps:
        if not isinstance(step, str):
            continue
        annotation = model.model_fields[step].annotation
        model = submodel(annotation) or model
        if has_named_tables(annotation):
            next(steps, None)  # a name that the user chose
    return tuple(model.model_fields)


def _is_misspelt(missing: KeyPath, unknown: Iterable[KeyPath]) -> bool:
    """Is the key there under a name that the report of the unknown key corrects?"""
    siblings = [str(path[-1]) for path in unknown if path[:-1] == missing[:-1]]
    return any(closest(sibling, known_keys(missing[:-1])) == missing[-1] for sibling in siblings)
