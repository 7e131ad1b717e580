"""Names and numbers of the configuration, character by character and at their bounds."""

import string
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.config.fields import (
    AccessLog,
    MinRate,
    Name,
    Reads,
    RouteName,
    between,
    choice,
    size_between,
    whole,
)
from gateway.config.interpolate import Interpolated, interpolate
from gateway.errors import InvalidValueError
from gateway.model import Balance

LETTERS_DIGITS = set(string.ascii_letters + string.digits)
PRINTABLE = {chr(code) for code in range(0x20, 0x7F)} - {'"', "\\"}


def accepts(annotation: Any, value: object) -> bool:
    """Does a field of this kind take the value?"""
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("annotation", "form", "accepted"),
    [
        (Name, "a{}b", LETTERS_DIGITS | set("-_.")),
        (Name, "{}", LETTERS_DIGITS),
        (RouteName, "a{}b", PRINTABLE),
        (RouteName, "{}b", PRINTABLE - {" "}),
        (RouteName, "b{}", PRINTABLE - {" "}),
    ],
)
def test_every_character_of_a_name(annotation: object, form: str, accepted: set[str]) -> None:
    """Of all 256 byte values exactly the expected ones may stand in a name."""
    assert {char for char in map(chr, range(256)) if accepts(annotation, form.format(char))} == accepted


def test_every_character_of_a_variable() -> None:
    """Of all 256 byte values exactly the expected ones may stand in the name of a variable."""
    environ = {f"A{char}B": "" for char in map(chr, range(256))}
    accepted = {
        char for char in map(chr, range(256)) if not interpolate({"k": f"${{env:A{char}B}}"}, environ, str)[1]
    }
    assert accepted == LETTERS_DIGITS | {"_"}


def test_an_access_log_is_off_on_stdout_or_in_a_file() -> None:
    """A path is absolute, names no folder and has no byte that a terminal obeys."""
    for good in ("off", "stdout", "/a", "/var/log/a b", "/dev/full", "/é"):
        assert accepts(AccessLog, good), good
    for bad in ("", "on", "stderr", "Off", "a", "./a", "~/a", "/", "/a/", "/a\n", "/a\x1b", 1, True, None):
        assert not accepts(AccessLog, bad), bad


def test_a_least_rate_is_no_more_than_the_engine_can_tell() -> None:
    """A byte takes at least one nanosecond."""
    for good in ("off", "0B/s", "1B/s", "500B/s", "1GB/s"):
        assert accepts(MinRate, good), good
    for bad in ("1000000001B/s", "2GB/s", "500B", "", 500, None):
        assert not accepts(MinRate, bad), bad


def test_names_have_a_length() -> None:
    """A name fits in a metric's label; an empty one is none."""
    assert [accepts(Name, "a" * length) for length in (0, 1, 64, 65)] == [False, True, True, False]
    assert [accepts(RouteName, "a" * length) for length in (0, 1, 128, 129)] == [False, True, True, False]


@pytest.mark.parametrize(
    "value", [0, 6, -1, True, 1.0, "3", None, [], {}, Interpolated("0"), Interpolated("+3")]
)
def test_what_is_no_whole_number_in_bounds(value: object) -> None:
    """Booleans, floats and strings that stand in the file are no numbers."""
    with pytest.raises(InvalidValueError, match="a whole number from 1 to 5"):
        whole(1, 5)._read(value)


def test_bounds_are_included() -> None:
    """The first and the last value of a range are in it, their neighbours are not."""
    reads: list[tuple[Reads, list[object], list[object]]] = [
        (whole(1, 5), [1, 5, Interpolated("3")], [0, 6]),
        (between("1ms", "1m"), ["1ms", "60s"], ["0s", "60001ms"]),
        (size_between("1KiB", "1MiB"), ["1024B", "1024KiB"], ["1023B", "1025KiB"]),
    ]
    for reader, inside, outside in reads:
        for value in inside:
            reader._read(value)
        for value in outside:
            with pytest.raises(InvalidValueError):
                reader._read(value)


def test_a_word_of_an_enum_is_its_member() -> None:
    """The value is the enum's member, and a plain string where the words are plain."""
    assert choice(*Balance)._read("round_robin") is Balance.ROUND_ROBIN
    assert type(choice("a", "b")._read(Interpolated("a"))) is str
