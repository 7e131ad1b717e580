"""The files of a configuration: the one that is named and those that it includes, read as one, and what stands in which."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gateway.config.fields import is_file_pattern
from gateway.config.files import reason, shown
from gateway.config.paths import KeyPath, dotted
from gateway.config.positions import Positions
from gateway.config.tables import read, tables
from gateway.errors import ConfigErrors, Mistake

INCLUDE = "include"
INCLUDED = ("services", "routes")
"""The tables that an included file may have; all else belongs to the whole gateway, and stands in one place."""
MAX_INCLUDED_FILES = 1_000
INCLUDE_FORM = 'a list of patterns of files, such as ["routes/*.toml"]'


@dataclass(frozen=True)
class Source:
    """One file."""

    name: str
    """As reports show it."""
    text: str
    data: dict[str, Any]
    is_included: bool = False

    @cached_property
    def positions(self) -> Positions:
        """The places in it, which only a report needs."""
        return Positions(self.text)

    def mistake(self, path: KeyPath, message: str, *, at_key: bool = False) -> Mistake:
        """What is wrong at a path of this file."""
        place = self.positions.key(path) if at_key else self.positions.value(path)
        file = self.name if self.is_included else ""
        return Mistake(message, dotted(path), place, self.positions.line(place.line), file)


class Sources:
    """The files of one configuration; what stands in the first is found first."""

    def __init__(self, main: Source, file: Path) -> None:
        """The file that was named, and where it lies, without what it includes."""
        self.main = main
        self._file = file
        self.data = main.data
        """All tables as those of one file, not yet judged. Paths in them are those that the other methods take."""
        self.mistakes: list[Mistake] = []
        """What is wrong with the files as such."""
        self._routes: list[tuple[int, Source]] = [(0, main)]
        self._services: dict[str, Source] = {}

    @classmethod
    def of(cls, text: str, name: str) -> Self:
        """A text that lies at ``name``, and the files that it includes. Raises ConfigErrors when the text has no tables."""
        sources = cls(Source(shown(name), text, tables(text, shown(name))), Path(name))
        if INCLUDE in sources.data:
            sources.data = {**sources.data}
            for file in sources._included_files():
                sources._include(file)
        return sources

    @property
    def name(self) -> str:
        """The file that was named."""
        return self.main.name

    def find(self, path: KeyPath) -> tuple[Source, KeyPath]:
        """The file in which a path of all tables stands, and the path there."""
        match path:
            case ("routes", int(index), *rest):
                start, source = next(
                    (start, file) for start, file in reversed(self._routes) if start <= index
                )
                return source, ("routes", index - start, *rest)
            case ("services", str(name), *_):
                return self._services.get(name, self.main), path
        return self.main, path

    def where(self, path: KeyPath) -> str:
        """A path as people find it: with the file where it is not the one that was named."""
        source, local = self.find(path)
        return dotted(local) if source is self.main else f"{dotted(local)} of {source.name}"

    def _included_files(self) -> Iterator[Path]:
        """Each once, by its name within a pattern, and without the file that includes."""
        patterns = self.data[INCLUDE]
        if not (isinstance(patterns, list) and all(map(is_file_pattern, patterns))):
            return  # the model says so
        folder = self._file.parent
        # Nothing here fails for a file that cannot be looked at, such as a loop of links: reading it tells what is wrong.
        seen = {os.path.realpath(self._file)}
        for index, pattern in enumerate(patterns):
            if "${" in pattern:
                self._wrong(index, "nothing is interpolated here")
                continue
            try:
                found = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207 - a pattern may be absolute
            except RecursionError:
                self._wrong(index, "too many folders in one pattern")
                continue
            except (OSError, ValueError) as error:
                self._wrong(index, f"cannot be looked for: {reason(error)}")
                continue
            if not found and not glob.has_magic(pattern):
                self._wrong(index, "there is no such file")
            for name in found:
                file = folder / name
                real = os.path.realpath(file)
                if real in seen or os.path.isdir(file):  # noqa: PTH112 - Path.is_dir raises where it may not look
                    continue
                seen.add(real)
                if len(seen) - 1 > MAX_INCLUDED_FILES:
                    self._wrong(index, f"too many files: at most {MAX_INCLUDED_FILES} are included")
                    return
                yield file

    def _wrong(self, index: int, message: str) -> None:
        self.mistakes.append(self.main.mistake((INCLUDE, index), message))

    def _include(self, file: Path) -> None:
        name = shown(file)
        try:
            text = read(file)
            source = Source(name, text, tables(text, name), is_included=True)
        except ConfigErrors as errors:
            self.mistakes += (replace(mistake, file=name) for mistake in errors.mistakes)
            return
        for key in source.data.keys() - set(INCLUDED):
            message = "an included file has [[routes]] and [services.NAME] only"
            self.mistakes.append(source.mistake((key,), message, at_key=True))
        self._include_routes(source)
        self._include_services(source)

    def _include_routes(self, source: Source) -> None:
        routes, own = self.data.get("routes", []), source.data.get("routes", [])
        if not isinstance(own, list):
            self.mistakes.append(source.mistake(("routes",), "expected a list; write [[routes]]"))
        elif own and isinstance(routes, list):
            self._routes.append((len(routes), source))
            self.data["routes"] = [*routes, *own]

    def _include_services(self, source: Source) -> None:
        services, own = self.data.get("services", {}), source.data.get("services", {})
        if not isinstance(own, dict):
            self.mistakes.append(source.mistake(("services",), "expected a table; write [services.NAME]"))
        elif own and isinstance(services, dict):
            for name in own.keys() & services.keys():
                other, path = self.find(("services", name))
                self.mistakes.append(source.mistake(path, f"{other.name} has a service of this name"))
            added = {name: table for name, table in own.items() if name not in services}
            self._services |= dict.fromkeys(added, source)
            self.data["services"] = {**services, **added}
