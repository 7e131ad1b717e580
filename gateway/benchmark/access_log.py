"""Makes a load of an access log: Headgate's own lines of JSON, or the common and combined formats of nginx and Apache."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import orjson

from gateway.benchmark.load import SAFE, LoadError, Replay, Request

MAX_LINES = 5_000_000
_COMMON = re.compile(
    r'^\S+ \S+ .*?\[(?P<time>[^\]]{1,40})\] "(?P<method>[A-Z]{1,16}) (?P<path>\S{1,8192}) HTTP/[0-9.]+"'
)


@dataclass(frozen=True, slots=True)
class Recording:
    """What a log holds that can be asked again."""

    requests: tuple[Request, ...]
    replay: Replay
    skipped: dict[str, int]
    """How many lines were left out, by reason."""


@dataclass(frozen=True, slots=True)
class _Entry:
    time: float
    method: str
    host: str | None
    path: str


def read_access_log(lines: Iterable[str], *, speed: float = 1.0, unsafe: bool = False) -> Recording:
    """The requests of a log with their distances in time, divided by ``speed``.

    Bodies are in no log, and a POST may order something: methods that are not safe are left out unless ``unsafe``. Raises
    LoadError when nothing is left.
    """
    entries: list[_Entry] = []
    skipped: dict[str, int] = {}
    for number, line in enumerate(lines):
        if number == MAX_LINES:
            raise LoadError(f"the log has more than {MAX_LINES} lines: replay a part of it")
        if not line.strip():
            continue
        entry = _entry(line)
        if isinstance(entry, _Entry) and not unsafe and entry.method not in SAFE:
            entry = f"{entry.method} is not safe to repeat"
        if isinstance(entry, _Entry):
            entries.append(entry)
        else:
            skipped[entry] = skipped.get(entry, 0) + 1
    if not entries:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in skipped.items()) or "it is empty"
        raise LoadError(f"the log holds nothing to replay: {reasons}")
    entries.sort(key=lambda entry: entry.time)  # they were written in the order in which the answers ended
    kinds = {kind: index for index, kind in enumerate(dict.fromkeys(map(_kind, entries)))}
    due = _spread_within_seconds([entry.time for entry in entries])
    replay = Replay(
        tuple((time - due[0]) / speed for time in due), tuple(kinds[_kind(entry)] for entry in entries)
    )
    return Recording(tuple(map(_request, kinds)), replay, skipped)


def _entry(line: str) -> _Entry | str:
    """One line; or why it is left out."""
    try:
        entry = _own(orjson.loads(line)) if line.lstrip().startswith("{") else _common(line)
        _request(_kind(entry))  # what cannot be put on the wire is told here
    except (ValueError, TypeError, KeyError, LoadError):
        return "no request that can be read"
    return entry


def _own(record: dict[str, object]) -> _Entry:
    time, method, host, path = (record[key] for key in ("time", "method", "host", "path"))
    if not (isinstance(time, str) and isinstance(method, str) and isinstance(path, str)) or path.endswith(
        "…"
    ):
        raise ValueError("a request that was not understood, or that was cut")
    return _Entry(
        datetime.fromisoformat(time).timestamp(), method, host if isinstance(host, str) else None, path
    )


def _common(line: str) -> _Entry:
    match = _COMMON.match(line)
    if match is None:
        raise ValueError("no line of a known format")
    time = datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    return _Entry(time, match["method"], None, match["path"])


def _kind(entry: _Entry) -> tuple[str, str | None, str]:
    return entry.method, entry.host, entry.path


def _request(kind: tuple[str, str | None, str]) -> Request:
    method, host, path = kind
    return Request(f"{method} {path}", method, path, (("Host", host),) if host else ())


def _spread_within_seconds(times: list[float]) -> list[float]:
    """Times of whole seconds, as the common format has them, spread evenly over their second; others as they are."""
    if any(time % 1 for time in times):
        return times
    spread: list[float] = []
    for second, group in groupby(times):
        count = len(list(group))
        spread += (second + index / count for index in range(count))
    return spread
