"""Accounting of one request at a limit, by number of keys."""

import random
from collections.abc import Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.conftest import MakeSide, time_rounds
from bench.micro.libraries import LIMITERS
from bench.micro.side import NARROW, SECOND_NS, WIDE, Limit, Side

KEYS = (1, 10_000, 1_000_000)
NOW = 1_000 * SECOND_NS
"""The time of every charge; it comes in as an argument, so it can stand still."""
# For the libraries, which read the clock themselves.
_PLENTY = Limit(tokens_per_second=1_000_000, burst=1_000_000)
_TWO = Limit(tokens_per_second=1, burst=2)


@pytest.mark.parametrize("keys", KEYS)
def test_charge(benchmark: BenchmarkFixture, make_side: MakeSide, keys: int) -> None:
    """A burst conforms at once, the next request only after its time; then the same bucket for many keys."""
    side = make_side(keys=keys)
    _assert_answers(side)
    charge = side.decisions.charge
    clients = [_packed(number) for number in _shuffled(keys)]
    for client in clients:
        assert charge(WIDE, client, 1, NOW) == (True, 0)

    def calls(clients: Sequence[bytes]) -> None:
        for client in clients:
            charge(WIDE, client, 1, NOW)

    time_rounds(benchmark, _group(keys), calls, clients)
    assert charge(WIDE, clients[0], 1, NOW) == (True, 0)


@pytest.mark.parametrize("keys", KEYS[:2])
@pytest.mark.parametrize("library", LIMITERS)
def test_library(benchmark: BenchmarkFixture, library: str, keys: int) -> None:
    """Two conform and the third does not; then a limit that nobody reaches."""
    narrow = LIMITERS[library](_TWO, keys)
    assert [narrow("client") for _ in range(3)] == [True, True, False]
    assert narrow("other client")
    charge = LIMITERS[library](_PLENTY, keys)
    clients = [_text(number) for number in _shuffled(keys)]
    assert all(charge(client) for client in clients)

    def calls(clients: Sequence[str]) -> None:
        for client in clients:
            charge(client)

    time_rounds(benchmark, _group(keys), calls, clients)


def _group(keys: int) -> str:
    return f"charge, {keys:,} keys"


def _shuffled(keys: int) -> list[int]:
    """As many numbers as there are keys: neighbours come from all over."""
    numbers = list(range(keys))
    random.Random(42).shuffle(numbers)
    return numbers


def _packed(number: int) -> bytes:
    """An address of 10.0.0.0/8 as the request path charges it: IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2)."""
    return bytes(10) + b"\xff\xff" + (0x0A000000 + number).to_bytes(4, "big")


def _text(number: int) -> str:
    """The same as text, as libraries take it."""
    return f"10.{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"


def _assert_answers(side: Side) -> None:
    charge = side.decisions.charge
    tenth = SECOND_NS // 10
    assert [charge(NARROW, b"client", 1, NOW) for _ in range(3)] == [
        (True, 0),
        (True, 0),
        (False, tenth),
    ]
    assert charge(NARROW, b"other client", 1, NOW) == (True, 0)
    assert charge(NARROW, b"client", 1, NOW + tenth) == (True, 0)
