"""Reading of memory from /proc."""

import os

import pytest

from gateway.benchmark.memory import Memory, group_memory, parse_rollup

ROLLUP = """\
00400000-7ffd1000 ---p 00000000 00:00 0                                  [rollup]
Rss:               10240 kB
Pss:                8192 kB
Pss_Dirty:          4096 kB
Shared_Clean:       2048 kB
"""


def test_rollup() -> None:
    """Both sums come out in bytes."""
    assert parse_rollup(ROLLUP) == Memory(resident=10 * 2**20, proportional=8 * 2**20)


def test_no_rollup() -> None:
    """A text without the sums is an error, not a process without memory."""
    with pytest.raises(LookupError):
        parse_rollup("Rss: 4 kB\n")


def test_own_group() -> None:
    """The group of the test's own process holds memory, and no more proportionally than in all."""
    found = group_memory(os.getpgrp())
    assert 0 < found.proportional <= found.resident


def test_growth() -> None:
    """Memory subtracts and adds by kind."""
    assert Memory(5, 3) - Memory(2, 1) + Memory(1, 1) == Memory(4, 3)
