"""What a wrong value or a wrong configuration file is reported as: every mistake with its place and its line."""

from collections.abc import Iterable
from dataclasses import dataclass
from unicodedata import combining, east_asian_width

MAX_SHOWN_COLUMNS = 140  # of one offending line; a minified file must not fill the screen


class InvalidValueError(ValueError):
    """One value is not what its reader expects."""

    def __init__(self, expected: str, hint: str = "") -> None:
        """``expected`` never quotes the value, which may be a secret; ``hint`` may ("did you mean …")."""
        super().__init__(f"expected {expected}")
        self.expected = expected
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Place:
    """A span of one line of a file; lines and columns count from 1, columns in characters."""

    line: int
    column: int
    width: int = 1
    """Characters marked by the caret; at least 1."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with a configuration."""

    message: str
    """What is wrong and what was expected, in one line."""
    path: str = ""
    """Dotted path of the key, such as ``routes[1].limit.rate``; empty when the whole file is meant."""
    place: Place | None = None
    """Where in the file; None when the file could not be read."""
    line: str = ""
    """The offending line as it stands in the file."""
    file: str = ""
    """The file, where it is not the one that the report is about."""

    def headline(self, file: str = "") -> str:
        """The report in one line: ``file:line:column: path: message``; the file that the report is about may be left out."""
        file = self.file or file
        place = f"{self.place.line}:{self.place.column}" if self.place else ""
        where = ":".join(part for part in (file, place) if part)
        return ": ".join(part for part in (where, self.path, self.message) if part)

    def render(self, file: str) -> str:
        """The report people read: its headline, then the offending line and a caret under the place."""
        head = self.headline(file)
        if self.place is None:
            return head
        shown, offset = _window(self.line, self.place.column - 1)
        number = f"{self.place.line:>5}"
        before = shown[:offset]
        width = max(1, min(self.place.width, len(shown) - offset))
        indent = "".join(char if char == "\t" else " " * _columns(char) for char in before)
        mark = "^" * max(1, sum(map(_columns, shown[offset : offset + width])))
        return f"{head}\n{number} | {shown}\n{' ' * len(number)} | {indent}{mark}"


class ConfigErrors(Exception):  # noqa: N818 - it carries all the errors, not one
    """A configuration that cannot be used, with every mistake in it."""

    def __init__(self, file: str, mistakes: Iterable[Mistake]) -> None:
        """``file`` is what the report is about; its mistakes come first in their order, then those of other files."""
        self.file = file
        self.mistakes = tuple(sorted(mistakes, key=_position))
        super().__init__(file, self.mistakes)

    def __str__(self) -> str:
        """Every mistake, then their number."""
        count = len(self.mistakes)
        reports = [mistake.render(self.file) for mistake in self.mistakes]
        return "\n".join([*reports, f"{self.file}: {count} mistake{'' if count == 1 else 's'}"])


def _position(mistake: Mistake) -> tuple[str, int, int]:
    line, column = (mistake.place.line, mistake.place.column) if mistake.place else (0, 0)
    return mistake.file, line, column


def _window(line: str, offset: int) -> tuple[str, int]:
    """The part of a line worth showing, and where the offset is in it; control characters cannot reach the terminal."""
    start = max(0, offset - MAX_SHOWN_COLUMNS // 2) if len(line) > MAX_SHOWN_COLUMNS else 0
    part = line[start : start + MAX_SHOWN_COLUMNS]
    shown = "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in part
    )
    return shown, min(offset - start, len(shown))


def _columns(char: str) -> int:
    """How many columns of a terminal a character takes."""
    if combining(char):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1
