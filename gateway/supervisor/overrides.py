"""What operators have put in place of the file's values: who did, when, and what it was before; each change an audit record."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.clock import rfc3339
from gateway.config.overrides import Overrides, Path
from gateway.config.paths import dotted

audit = logging.getLogger("headgate.audit")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value that is in force instead of the file's; ``since`` is Unix time in nanoseconds."""

    value: Any
    since: int
    by: str


class OverrideBook:
    """The overrides in force, and who is answerable for them."""

    def __init__(self, wall: Callable[[], int]) -> None:
        """``wall``: Unix time in nanoseconds."""
        self.overrides = Overrides()
        self._wall = wall
        self._entries: Mapping[Path, Entry] = {}

    def take(self, overrides: Overrides, by: str) -> tuple[str, ...]:
        """These are in force now; returns a line for each change. ``by`` names whoever wanted it."""
        before, self.overrides = self.overrides.settings, overrides
        now = self._wall()
        self._entries = {
            path: self._entries[path] if before.get(path) == value else Entry(value, now, by)
            for path, value in overrides.settings.items()
        }
        paths = [*overrides.settings, *(path for path in before if path not in overrides.settings)]
        changed = [path for path in paths if before.get(path) != overrides.settings.get(path)]
        for path in changed:
            value, was = (_word(settings.get(path)) for settings in (overrides.settings, before))
            audit.info("%s: %s, was %s, by %s", dotted(path), value, was, by)
        return tuple(f"{dotted(path)}: {_word(overrides.settings.get(path))}" for path in changed)

    def document(self) -> list[dict[str, Any]]:
        """Every override, as the admin API shows it."""
        return [
            {
                "key": dotted(path),
                "path": path,
                "value": entry.value,
                "since": rfc3339(entry.since),
                "by": entry.by,
            }
            for path, entry in self._entries.items()
        ]


def _word(value: Any) -> str:
    return "as in the file" if value is None else str(value)
