"""Numbers as people read them: with their unit, and with no more digits than they carry. Pure."""

import math
from collections.abc import Sequence

from gateway.benchmark.result import Figure
from gateway.benchmark.statistics import Interval

MINUS = "−"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, and a separator between thousands."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "∞"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    rounded = (
        round(value, decimals) if decimals else round(value, digits - 1 - math.floor(math.log10(abs(value))))
    )
    return f"{rounded:,.{decimals}f}".replace("-", MINUS)


def quantity(value: float, figure: Figure) -> str:
    """A figure with its unit."""
    space = "" if figure.unit == "/s" else " "
    return f"{significant(value)}{space}{figure.unit}"


def megabytes(size: float) -> str:
    """A size of memory."""
    return f"{significant(size / 1e6)} MB"


def percent(ratio: float) -> str:
    """A ratio as the change that it is: 0.8 is −20 %; from a doubling on as a factor."""
    if ratio >= 2:
        return f"× {significant(ratio, 2)}"
    return f"{100 * (ratio - 1):+.0f} %".replace("-", MINUS)


def between(interval: Interval) -> str:
    """An interval of ratios: the estimate and what it lies between."""
    return f"{percent(interval.estimate)} ({percent(interval.lower)} to {percent(interval.upper)})"


def duration(seconds: float) -> str:
    """A time that is still to come or has passed, to the second."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02} s"


def aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Columns two spaces apart; those named in ``right`` end at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def printable(text: str) -> str:
    """What a target or a file said, without anything that could steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
