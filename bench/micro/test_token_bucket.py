"""Accounting of one request at a limit, by number of keys."""

import random

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.conftest import MakeSide
from bench.micro.side import SECOND_NS, Side

NOW = 1_000 * SECOND_NS
"""The time of every charge; it comes in as an argument, so it can stand still."""


@pytest.mark.parametrize("keys", [1, 10_000])
def test_charge(benchmark: BenchmarkFixture, make_side: MakeSide, keys: int) -> None:
    """A burst conforms at once, the next request only after its time; then the same bucket for many keys."""
    side = make_side(1, keys)
    _assert_answers(side)
    benchmark.group = f"charge, {keys:,} keys"
    charge = side.decisions.charge
    clients = [_client(number) for number in range(keys)]
    for client in clients:
        assert charge("api/wide", client, 1, NOW) == (True, 0)
    # Every round touches the same number of keys, all over the table.
    requests = random.Random(42).choices(clients, k=1_000)

    def round_of_calls() -> None:
        for client in requests:
            charge("api/wide", client, 1, NOW)

    benchmark(round_of_calls)
    assert charge("api/wide", clients[0], 1, NOW) == (True, 0)


def _client(number: int) -> bytes:
    """An address as the request path charges it: IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2)."""
    return bytes(10) + b"\xff\xff" + (0x0A000000 + number).to_bytes(4, "big")


def _assert_answers(side: Side) -> None:
    charge = side.decisions.charge
    tenth = SECOND_NS // 10
    assert [charge("api/narrow", b"client", 1, NOW) for _ in range(3)] == [
        (True, 0),
        (True, 0),
        (False, tenth),
    ]
    assert charge("api/narrow", b"other client", 1, NOW) == (True, 0)
    assert charge("api/narrow", b"client", 1, NOW + tenth) == (True, 0)
