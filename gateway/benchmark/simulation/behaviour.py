"""How a generated instance behaves: a value, read from a table or from the command line. Pure."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.benchmark.load import LoadError
from gateway.config.suggest import did_you_mean
from gateway.config.units import Duration, Size
from gateway.errors import InvalidValueError

MAX_COUNT = 100
MAX_CAPACITY = 1_000_000
_P99_DEVIATIONS = 2.326347874  # of the normal distribution


@dataclass(frozen=True, slots=True)
class Outages:
    """Times in which an instance is gone: its connections are reset, new ones refused."""

    every_seconds: float
    """From the beginning of one to that of the next."""
    for_seconds: float
    first_seconds: float
    """From the start of the instance to the beginning of the first."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What each of ``count`` instances does."""

    count: int = 1
    median_seconds: float = 0.0
    """Half of the answers take so long, at the most."""
    p99_seconds: float = 0.0
    """99 of 100 do; the distribution is log-normal, or constant when this is the median."""
    failures: float = 0.0
    """Share of the requests that are answered with 503."""
    drops: float = 0.0
    """Share of the requests whose connection is ended when the answer is due."""
    capacity: int = MAX_CAPACITY
    """Requests that are worked on at the same time; more of them wait."""
    size: int = 64
    """Bytes of an answer, unless the path is ``/bytes/N``."""
    outages: Outages | None = None

    def latency(self, source: random.Random) -> float:
        """How long the next answer takes, in seconds."""
        if self.p99_seconds <= self.median_seconds:
            return self.median_seconds
        sigma = math.log(self.p99_seconds / self.median_seconds) / _P99_DEVIATIONS
        return self.median_seconds * source.lognormvariate(0.0, sigma)


_KEYS = ("count", "latency", "p99", "failures", "drops", "capacity", "size", "outages")
_OUTAGE_KEYS = ("every", "for", "first")


def parse_behaviour(table: Mapping[str, Any], where: str) -> Behaviour:
    """Reads a table. Raises LoadError."""
    _known(table, _KEYS, where)
    try:
        median = Duration.parse(str(table.get("latency", "0ms"))).seconds
        p99 = Duration.parse(str(table.get("p99", table.get("latency", "0ms")))).seconds
        size = Size.parse(str(table.get("size", "64B"))).bytes
        outages = _outages(table.get("outages"), f"{where}.outages")
    except InvalidValueError as error:
        raise LoadError(f"{where}: {error}") from None
    if p99 < median or (p99 > median == 0):
        raise LoadError(f"{where}: p99 is the latency, or more, and needs one")
    failures = _share(table.get("failures", "0%"), f"{where}.failures")
    drops = _share(table.get("drops", "0%"), f"{where}.drops")
    if failures + drops > 1:
        raise LoadError(f"{where}: failures and drops are more than 100% together")
    return Behaviour(
        _whole(table.get("count", 1), 1, MAX_COUNT, f"{where}.count"),
        median,
        p99,
        failures,
        drops,
        _whole(table.get("capacity", MAX_CAPACITY), 1, MAX_CAPACITY, f"{where}.capacity"),
        size,
        outages,
    )


def parse_option(text: str) -> Behaviour:
    """Reads ``count=3,latency=5ms,p99=50ms,failures=1%,capacity=100``. Raises LoadError."""
    table: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals:
            raise LoadError(f"{text!r}: expected KEY=VALUE, such as latency=5ms,failures=1%")
        table[key] = int(value) if value.isdecimal() else value
    return parse_behaviour(table, text)


def _outages(table: object, where: str) -> Outages | None:
    if table is None:
        return None
    if not isinstance(table, dict) or not {"every", "for"} <= table.keys():
        raise LoadError(f'{where}: expected {{ every = "2s", for = "500ms" }}')
    _known(table, _OUTAGE_KEYS, where)
    every, lasting = (Duration.parse(str(table[key])).seconds for key in ("every", "for"))
    first = Duration.parse(str(table.get("first", table["every"]))).seconds
    if lasting >= every:
        raise LoadError(f"{where}: an outage ends before the next begins")
    return Outages(every, lasting, first)


def _known(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise LoadError(f"{where}: unknown key {key!r} {did_you_mean(key, keys)}".rstrip())


def _whole(value: object, low: int, high: int, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise LoadError(f"{where}: expected a whole number from {low} to {high}")
    return value


def _share(value: object, where: str) -> float:
    try:
        if isinstance(value, str) and value.endswith("%") and 0 <= float(value[:-1]) <= 100:
            return float(value[:-1]) / 100
    except ValueError:
        pass
    raise LoadError(f'{where}: expected a share such as "0.5%"')
