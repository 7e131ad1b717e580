"""Explaining mistakes: the keys that are known at a place of the file."""

from collections.abc import Iterator
from typing import get_args, get_origin

from pydantic import BaseModel

from gateway.config.explain import known_keys
from gateway.config.paths import KeyPath
from gateway.config.schema import Config


def tables(model: type[BaseModel], path: KeyPath) -> Iterator[tuple[KeyPath, type[BaseModel]]]:
    """Each table that the file may have, with a path that leads to it."""
    yield path, model
    for name, field in model.model_fields.items():
        for below, inner in inside(field.annotation, (*path, name)):
            yield from tables(inner, below)


def inside(annotation: object, path: KeyPath) -> Iterator[tuple[KeyPath, type[BaseModel]]]:
    """The tables of one key: there, in a list, or under names of the user's."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path, annotation
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        yield from inside(arguments[1], (*path, "a-name"))
    else:
        index = (0,) if get_origin(annotation) in {list, tuple} else ()
        for argument in arguments:
            yield from inside(argument, (*path, *index))


def test_every_table_knows_its_keys() -> None:
    """Wherever it stands, so that what is misspelt there can be told."""
    found = list(tables(Config, ()))
    assert ("routes", 0, "errors", "a-name") in [path for path, _ in found]
    assert len(found) > 30
    for path, model in found:
        assert known_keys(path) == tuple(model.model_fields), path
