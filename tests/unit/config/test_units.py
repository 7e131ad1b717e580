"""Durations, sizes, rates and shares."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.units import Duration, Rate, Share, Size, Throughput
from gateway.errors import InvalidValueError

DIGITS = set(string.digits)


@given(st.integers(0, 10**12))
def test_a_duration_reads_what_it_writes(milliseconds: int) -> None:
    """Text and value of a duration say the same."""
    duration = Duration(milliseconds)
    assert Duration.parse(str(duration)) == duration


@given(st.integers(0, 10**14))
def test_a_size_reads_what_it_writes(octets: int) -> None:
    """Text and value of a size say the same."""
    size = Size(octets)
    assert Size.parse(str(size)) == size


@given(st.integers(0, 10**14))
def test_a_throughput_reads_what_it_writes(octets: int) -> None:
    """Text and value of a throughput say the same, "off" and 0 too."""
    throughput = Throughput(octets)
    assert Throughput.parse(str(throughput)) == throughput


@given(st.integers(1, 10**9), st.sampled_from("smh"))
def test_a_rate_reads_what_it_writes(tokens: int, unit: str) -> None:
    """Text and value of a rate say the same."""
    text = f"{tokens}/{unit}"
    assert str(Rate.parse(text)) == text


@given(st.integers(1, 100))
def test_a_share_reads_what_it_writes(percent: int) -> None:
    """Text and value of a share say the same."""
    share = Share(percent)
    assert Share.parse(str(share)) == share


@pytest.mark.parametrize(
    "text", ["", "%", "0%", "101%", "1000%", "-5%", "5.5%", "5 %", "5%%", "50", "0.5", "½%"]
)
def test_what_is_no_share(text: str) -> None:
    """A whole number from 1 to 100 with its unit, and nothing else."""
    with pytest.raises(InvalidValueError):
        Share.parse(text)


@pytest.mark.parametrize(
    ("percent", "count", "part"), [(50, 0, 0), (50, 1, 0), (50, 3, 1), (100, 7, 7), (1, 99, 0), (1, 100, 1)]
)
def test_a_share_of_something(percent: int, count: int, part: int) -> None:
    """Whole things only, rounded down."""
    assert Share(percent).of(count) == part


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("250ms", 250),
        ("5s", 5_000),
        ("1.5s", 1_500),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("0.001s", 1),
        ("0s", 0),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    """A duration counts in whole milliseconds, and offers seconds and nanoseconds."""
    duration = Duration.parse(text)
    assert duration.milliseconds == milliseconds
    assert duration.seconds == milliseconds / 1_000
    assert duration.nanoseconds == milliseconds * 1_000_000


@pytest.mark.parametrize(
    ("text", "octets"),
    [("0B", 0), ("512B", 512), ("1KB", 1_000), ("32KiB", 32_768), ("1.5MB", 1_500_000), ("1MiB", 1_048_576),
     ("2GB", 2_000_000_000), ("1GiB", 1_073_741_824)],
)  # fmt: skip
def test_sizes(text: str, octets: int) -> None:
    """Decimal and binary units are told apart."""
    assert Size.parse(text).bytes == octets


@pytest.mark.parametrize(
    ("text", "octets"),
    [("off", 0), ("0B/s", 0), ("500B/s", 500), ("1.5KiB/s", 1_536), ("1GB/s", 1_000_000_000)],
)
def test_throughputs(text: str, octets: int) -> None:
    """Sizes per second; none at all is asked for in two ways."""
    assert Throughput.parse(text).bytes_per_second == octets


@pytest.mark.parametrize(
    ("text", "per_second"), [("100/s", 100), ("10/m", 1), ("60/m", 1), ("61/m", 2), ("5/h", 1), ("7200/h", 2)]
)
def test_tokens_of_one_second_are_rounded_up(text: str, per_second: int) -> None:
    """The burst that a rate gives by itself is never 0."""
    assert Rate.parse(text).per_second == per_second


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5 s", " 5s", "5s ", "-5s", "+5s", "5S", "5sec", "1e3s", ".5s", "5.s", "0.0001s", "1.5ms", "1h30m",
     "\u0665s", "5\u017f", "1_000s", "1" * 16 + "s", "5d"],
)  # fmt: skip
def test_what_is_no_duration(text: str) -> None:
    """A duration is a plain decimal number and a unit, nothing else."""
    with pytest.raises(InvalidValueError):
        Duration.parse(text)


@pytest.mark.parametrize(
    "text", ["", "5", "5k", "5kb", "5K", "5KIB", "0.5B", "-1B", "5 KiB", "5Kib", "5TB", "\u0665B"]
)
def test_what_is_no_size(text: str) -> None:
    """A size is a plain decimal number and a unit, nothing else."""
    with pytest.raises(InvalidValueError):
        Size.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "500",
        "500B",
        "500/s",
        "500B/m",
        "500b/s",
        "B/s",
        "-1B/s",
        "0.5B/s",
        "500 B/s",
        "500B//s",
        "Off",
        "off/s",
    ],
)
def test_what_is_no_throughput(text: str) -> None:
    """A throughput is a size with "/s" or the word "off", nothing else."""
    with pytest.raises(InvalidValueError):
        Throughput.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5/",
        "/s",
        "0/s",
        "5/S",
        "5/sec",
        "5/ms",
        "5/d",
        "-5/s",
        "1.5/s",
        "5 /s",
        "\u0665/s",
        "1000000001/s",
    ],
)
def test_what_is_no_rate(text: str) -> None:
    """A rate is a whole number per second, minute or hour, at least 1 and at most one per nanosecond."""
    with pytest.raises(InvalidValueError):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("read", "text", "hint"),
    [
        (Duration.parse, "5S", 'did you mean "5s"?'),
        (Duration.parse, "2min", 'did you mean "2m"?'),
        (Duration.parse, "5", "the unit is missing"),
        (Size.parse, "32kib", 'did you mean "32KiB"?'),
        (Throughput.parse, "500B", 'add "/s"'),
        (Throughput.parse, "500b/s", 'did you mean "500B/s"?'),
        (Rate.parse, "100/sec", 'did you mean "100/s"?'),
        (Rate.parse, "100", 'add "/s", "/m" or "/h"'),
    ],
)
def test_a_unit_that_is_nearly_right_gets_a_hint(read: Callable[[str], object], text: str, hint: str) -> None:
    """Wrong case, a unit written out and a missing unit are recognized."""
    with pytest.raises(InvalidValueError) as caught:
        read(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("read", "form", "accepted"),
    [
        (Duration.parse, "1{}5s", DIGITS | {"."}),
        (Duration.parse, "15{}", {"s", "m", "h"}),
        (Share.parse, "5{}%", DIGITS),
        (Share.parse, "5{}", {"%"}),
        (Size.parse, "15{}B", DIGITS | {"K", "M", "G"}),
        (Throughput.parse, "15{}B/s", DIGITS | {"K", "M", "G"}),
        (Throughput.parse, "15B{}s", {"/"}),
        (Rate.parse, "1{}/s", DIGITS),
        (Rate.parse, "1{}s", {"/"}),
    ],
)
def test_every_character_in_every_place(read: Callable[[str], object], form: str, accepted: set[str]) -> None:
    """Of all 256 byte values exactly the expected ones are accepted."""
    assert accepted_characters(read, form) == accepted


def accepted_characters(read: Callable[[str], object], form: str) -> set[str]:
    """The characters of Latin-1 that may stand in a place of a text."""
    accepted = set()
    for char in map(chr, range(256)):
        try:
            read(form.format(char))
        except InvalidValueError:
            continue
        accepted.add(char)
    return accepted
