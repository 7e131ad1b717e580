"""Durations, sizes, rates, throughputs, shares and multiples: numbers that mean nothing without their unit."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Self

from gateway.errors import InvalidValueError

NANOSECONDS_PER_MILLISECOND = 1_000_000
MAX_RATE_PER_SECOND = 1_000_000_000  # the token bucket computes in whole nanoseconds per token

_DURATION_FORM = 'a duration with its unit (ms, s, m, h), such as "250ms" or "5s"'
_SIZE_FORM = 'a size with its unit (B, KB, KiB, MB, MiB, GB, GiB), such as "32KiB"'
_THROUGHPUT_FORM = '"off", or a size per second, such as "500B/s"'
_RATE_FORM = 'a rate with its unit (/s, /m, /h), such as "100/s"'
_SHARE_FORM = 'a share from "1%" to "100%"'
_MULTIPLE_FORM = 'a multiple from "101%" to "1000%"'

_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([A-Za-z/]*)", re.ASCII)
_RATE = re.compile(r"([0-9]{1,15})/([a-z]+)", re.ASCII)
_SHARE = re.compile(r"([0-9]{1,3})%", re.ASCII)
_MULTIPLE = re.compile(r"([0-9]{1,4})%", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in whole milliseconds."""

    milliseconds: int

    UNITS: ClassVar[dict[str, int]] = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
    """Milliseconds per unit, the largest first."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``250ms``, ``1.5s``, ``2m``, ``1h``. Raises InvalidValueError."""
        return cls(_amount(text, cls.UNITS, _DURATION_FORM, "a whole number of milliseconds"))

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return self.milliseconds / 1_000

    @property
    def nanoseconds(self) -> int:
        """The duration in nanoseconds."""
        return self.milliseconds * NANOSECONDS_PER_MILLISECOND

    def __str__(self) -> str:
        """The duration in the largest unit in which it is a whole number."""
        return _written(self.milliseconds, self.UNITS, zero="0s")


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """A number of bytes."""

    bytes: int

    UNITS: ClassVar[dict[str, int]] = {
        "GiB": 1 << 30, "GB": 1_000_000_000, "MiB": 1 << 20, "MB": 1_000_000, "KiB": 1 << 10, "KB": 1_000, "B": 1,
    }  # fmt: skip
    """Bytes per unit, the largest first."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``512B``, ``32KiB``, ``1.5MB``. Raises InvalidValueError."""
        return cls(_amount(text, cls.UNITS, _SIZE_FORM, "a whole number of bytes"))

    def __str__(self) -> str:
        """The size in the largest unit in which it is a whole number."""
        return _written(self.bytes, self.UNITS, zero="0B")


@dataclass(frozen=True, slots=True, order=True)
class Throughput:
    """Bytes per second that are asked for; 0 is none."""

    bytes_per_second: int

    OFF: ClassVar[str] = "off"
    UNITS: ClassVar[dict[str, int]] = {f"{unit}/s": factor for unit, factor in Size.UNITS.items()}
    """Bytes per second per unit, the largest first."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``500B/s``, ``1.5KiB/s``, ``off``. Raises InvalidValueError."""
        if text == cls.OFF:
            return cls(0)
        if not text.endswith("/s"):
            raise InvalidValueError(_THROUGHPUT_FORM, 'add "/s"')
        return cls(_amount(text, cls.UNITS, _THROUGHPUT_FORM, "a whole number of bytes per second"))

    def __str__(self) -> str:
        """The throughput in the largest unit in which it is a whole number."""
        return _written(self.bytes_per_second, self.UNITS, zero=self.OFF)


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens that come back per period."""

    tokens: int
    """At least 1."""
    period: Duration
    """One second, one minute or one hour."""

    UNITS: ClassVar[dict[str, int]] = {"h": 3_600_000, "m": 60_000, "s": 1_000}
    """Milliseconds per unit, the largest first."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``100/s``, ``10/m``, ``5/h``. Raises InvalidValueError."""
        match = _RATE.fullmatch(text)
        if match is None:
            raise InvalidValueError(_RATE_FORM, 'add "/s", "/m" or "/h"' if text.isdecimal() else "")
        period = cls.UNITS.get(match[2])
        if period is None:
            raise InvalidValueError(_RATE_FORM, _spelled(match[2], cls.UNITS, f"{match[1]}/"))
        tokens = int(match[1])
        if not 0 < tokens * 1_000 <= MAX_RATE_PER_SECOND * period:
            raise InvalidValueError(
                f"a rate of at least 1 per unit and at most {MAX_RATE_PER_SECOND} per second"
            )
        return cls(tokens, Duration(period))

    @property
    def per_second(self) -> int:
        """Tokens of one second, rounded up."""
        return -(-self.tokens * 1_000 // self.period.milliseconds)

    def __str__(self) -> str:
        """The rate as a configuration file writes it."""
        unit = next(unit for unit, length in self.UNITS.items() if length == self.period.milliseconds)
        return f"{self.tokens}/{unit}"


@dataclass(frozen=True, slots=True, order=True)
class Share:
    """A part of a whole."""

    percent: int
    """From 1 to 100; 0 where a file may say that nothing is meant."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``50%``. Raises InvalidValueError."""
        match = _SHARE.fullmatch(text)
        if match is None or not 1 <= int(match[1]) <= 100:
            raise InvalidValueError(_SHARE_FORM, "the unit is missing" if text.isdecimal() else "")
        return cls(int(match[1]))

    def of(self, count: int) -> int:
        """So many of ``count`` things, rounded down."""
        return count * self.percent // 100

    def __str__(self) -> str:
        """The share as a configuration file writes it."""
        return f"{self.percent}%"


@dataclass(frozen=True, slots=True, order=True)
class Multiple:
    """More than a whole, in percent of it."""

    percent: int
    """From 101 to 1000."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``125%``. Raises InvalidValueError."""
        match = _MULTIPLE.fullmatch(text)
        if match is None or not 101 <= int(match[1]) <= 1000:
            raise InvalidValueError(_MULTIPLE_FORM, "the unit is missing" if text.isdecimal() else "")
        return cls(int(match[1]))

    def __str__(self) -> str:
        """The multiple as a configuration file writes it."""
        return f"{self.percent}%"


def _amount(text: str, units: dict[str, int], form: str, whole: str) -> int:
    """A number with its unit, in the smallest unit."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InvalidValueError(form)
    number, unit = match.groups()
    factor = units.get(unit)
    if factor is None:
        raise InvalidValueError(form, _spelled(unit, units, number) if unit else "the unit is missing")
    amount = Decimal(number) * factor
    if amount != int(amount):
        raise InvalidValueError(whole)
    return int(amount)


def _spelled(unit: str, units: Iterable[str], number: str) -> str:
    """Points at the unit that differs in case only, or in being written out."""
    folded = unit.lower()
    for known in units:
        if folded == known.lower() or (
            len(folded) > 1 and len(known) == 1 and folded.startswith(known.lower())
        ):
            return f'did you mean "{number}{known}"?'
    return ""


def _written(amount: int, units: dict[str, int], zero: str) -> str:
    if amount == 0:
        return zero
    unit = next(unit for unit, factor in units.items() if amount % factor == 0)
    return f"{amount // units[unit]}{unit}"
