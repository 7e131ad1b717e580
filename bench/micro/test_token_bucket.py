"""Accounting of one request at a limit, by number of keys."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.conftest import MakeSide, time_rounds
from bench.micro.libraries import LIMITERS
from bench.micro.side import LIMITS, NARROW, SECOND_NS, WIDE, Limit, Side

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


def test_two_processes(benchmark: BenchmarkFixture) -> None:
    """Two processes charge one key as fast as they can, and every token of both is accounted for."""
    from bench.micro.headgate import HeadgateSide  # noqa: PLC0415

    side = HeadgateSide()
    charge = side.decisions.charge
    key = _packed(0)
    made = 0

    def calls(keys: Sequence[bytes]) -> None:
        nonlocal made
        for one in keys:
            charge(WIDE, one, 1, NOW)
        made += len(keys)

    with _contender(side.segment.fileno(), side.snapshot, key) as contender:
        time_rounds(benchmark, "charge, one key by two processes", calls, [key])
        contender.terminate()
        others, _ = contender.communicate()
    left = LIMITS[WIDE].burst - made - int(others)
    assert int(others) > 1_000
    assert charge(WIDE, key, left, NOW) == (True, 0)
    assert charge(WIDE, key, 1, NOW) == (False, 1)


@contextmanager
def _contender(segment: int, snapshot: bytes, key: bytes) -> Iterator["subprocess.Popen[bytes]"]:
    """The other process, which has begun; it says at its end how often it has charged."""
    command = [sys.executable, "-m", "bench.micro.contender", str(segment), key.hex(), str(len(snapshot))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, pass_fds=[segment]) as process:
        assert process.stdin is not None, "asked for above"
        assert process.stdout is not None, "asked for above"
        try:
            process.stdin.write(snapshot)
            process.stdin.flush()
            assert process.stdout.readline() == b"charging\n"
            yield process
        finally:
            process.kill()


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
