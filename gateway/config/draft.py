"""What can be read of a configuration that may be wrong in places, so that one mistake does not hide another."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.config.paths import KeyPath


class Part:
    """One table of the file, read key by key: what is sound can be used whatever stands beside it."""

    def __init__(self, model: type[BaseModel], raw: object, path: KeyPath) -> None:
        """``raw`` is whatever the file has at ``path``, even if it is no table."""
        self.path = path
        self.is_empty = raw == {}
        """Is it a table with nothing in it?"""
        self._raw: Mapping[str, object] = raw if isinstance(raw, dict) else {}
        self._tables: dict[str, list[Part]] = {}
        self._sound = _read(model, self._raw) if isinstance(raw, dict) else {}

    def has(self, *names: str) -> bool:
        """Are all these keys sound: written and right, or left to their default?"""
        return self._sound.keys() >= set(names)

    def __getitem__(self, name: str) -> Any:
        """The value of a sound key."""
        return self._sound[name]

    def is_given(self, name: str) -> bool:
        """Does the file have the key, right or wrong?"""
        return name in self._raw

    def table(self, name: str, model: type[BaseModel]) -> "Part":
        """The table at a key; an empty one where there is none."""
        return Part(model, self._raw.get(name, {}), (*self.path, name))

    def tables(
        self, name: str, model: type[BaseModel], complete: Callable[[object], object] | None = None
    ) -> list["Part"]:
        """The elements of the list at a key, short forms completed; a table alone is a list of one, as in the model."""
        if name in self._tables:  # several rules look at the same tables
            return self._tables[name]
        value = self._raw.get(name, [])
        elements = value if isinstance(value, list) else [value]
        if complete:
            elements = [complete(element) for element in elements]
        parts = [Part(model, element, (*self.path, name, index)) for index, element in enumerate(elements)]
        return self._tables.setdefault(name, parts)

    def named_tables(self, name: str, model: type[BaseModel]) -> dict[str, "Part"]:
        """The tables in the table at a key, by their names."""
        value = self._raw.get(name, {})
        if not isinstance(value, dict):
            return {}
        return {key: Part(model, table, (*self.path, name, key)) for key, table in value.items()}


def submodel(annotation: object) -> type[BaseModel] | None:
    """The model that an annotation speaks of, perhaps as elements of a list or a table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(submodel, get_args(annotation))), None)


def has_named_tables(annotation: object) -> bool:
    """Does it speak of a table whose keys the user chooses, perhaps of none at all?"""
    return get_origin(annotation) is dict or any(map(has_named_tables, get_args(annotation)))


def _read(model: type[BaseModel], raw: Mapping[str, object]) -> dict[str, Any]:
    """The sound keys of one table; tables inside it are parts of their own."""
    sound: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if submodel(field.annotation):
            continue
        try:
            if name in raw:
                sound[name] = adapter(model, name).validate_python(raw[name])
            elif not field.is_required():
                sound[name] = field.get_default(call_default_factory=True, validated_data=sound)
        except (ValidationError, KeyError):  # a wrong value; a default that follows from one
            continue
    return sound


@cache
def adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """What reads the value of one key, as the model itself would."""
    field = model.model_fields[name]
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[annotation, *field.metadata] if field.metadata else annotation)
