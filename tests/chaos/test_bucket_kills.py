"""Buckets are exact whoever is killed while it charges them: through the extension, by processes of their own."""

import mmap
import os
import random
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.state.control import Control, Segment
from gateway.state.lane import Snapshot, open_lane
from gateway.state.view import View
from gateway.supervisor.rows import Rows
from tests.chaos.bucket_charger import LIMIT, NOW, name
from tests.helpers import eventually
from tests.helpers.proof import PROOF

PROCESSES = 4
KILLS = 60 if PROOF else 4
BURST = 3
CONFIGURATION = f"""\
[[listen]]
address = "127.0.0.1:0"

[services.s]
instances = ["a:1"]

[[routes]]
name = "r"
service = "s"
limit = {{ name = "l", rate = "1/h", burst = {BURST}, overflow = "refuse" }}
"""


class Chargers:
    """Processes that charge the same buckets, each on its lane and with a ledger that outlives it."""

    def __init__(self, segment: Segment, snapshot: Path, keys: int) -> None:
        self._segment = segment
        self._snapshot = snapshot
        self._keys = keys
        self._control = Control(segment)
        self._files = [os.memfd_create(f"ledger {lane}") for lane in range(PROCESSES)]
        for file in self._files:
            os.ftruncate(file, keys)
        self.ledgers = [mmap.mmap(file, keys) for file in self._files]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.kills = 0

    def __enter__(self) -> Self:
        for lane in range(PROCESSES):
            self.start(lane)
        return self

    def __exit__(self, *_: object) -> None:
        for lane in list(self._processes):
            self.kill(lane)
        for file in self._files:
            os.close(file)

    def start(self, lane: int) -> None:
        """A process for a free lane."""
        self._control.open_lane(lane, 1)
        files = (self._segment.fileno(), self._files[lane])
        arguments = [files[0], lane, files[1], self._keys, self._snapshot]
        command = [sys.executable, "-m", "tests.chaos.bucket_charger", *map(str, arguments)]
        self._processes[lane] = subprocess.Popen(command, pass_fds=files)

    def kill(self, lane: int) -> None:
        """Ends the process of a lane wherever it is, and closes the lane as the supervisor does."""
        process = self._processes.pop(lane)
        assert process.poll() is None, "it ended by itself"
        process.kill()
        process.wait()
        self._control.close_lane(lane)
        self.kills += 1

    def admitted(self) -> int:
        """Tokens in all ledgers."""
        return sum(sum(ledger[:]) for ledger in self.ledgers)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("keys", [100_000, 1_000_000] if PROOF else [10_000])
async def test_a_kill_costs_one_token_at_the_most(keys: int, tmp_path: Path) -> None:
    """No key gets more than its burst, and of all keys together at most one token is missing for each kill."""
    rows = Rows.fresh(services=2, series=4, limits=2)
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(compile_snapshot(parse(CONFIGURATION, "file", {}), 1, rows)[1])
    segment = Segment.create(
        lanes=PROCESSES + 1, instances=1, services=2, series=4, limits=2, limit_keys=keys, hash_seed=7
    )
    with ExitStack() as stack:
        chargers = stack.enter_context(Chargers(segment, snapshot, keys))
        for turn in range(1, KILLS + 1):
            wanted = keys * BURST * turn * 9 // (10 * KILLS)
            await eventually(lambda wanted=wanted: chargers.admitted() >= wanted, within=120.0)
            victim = random.randrange(PROCESSES)
            chargers.kill(victim)
            chargers.start(victim)
        stack.close()
        ledger = [sum(tokens) for tokens in zip(*(one[:] for one in chargers.ledgers), strict=True)]
    Control(segment).open_lane(PROCESSES, 1)
    lane = open_lane(segment.fileno(), PROCESSES, random_seed=1)
    lane.adopt(Snapshot.compile(snapshot.read_bytes()))
    missing = 0
    for key, admitted in enumerate(ledger):
        total = admitted
        while lane.charge(LIMIT, name(key), 1, NOW)[0]:
            total += 1
        assert total <= BURST, f"key {key} got {total} tokens"
        missing += BURST - total
    assert missing <= chargers.kills
    slots, held, _ = View(segment).limit_table(NOW)
    assert keys <= held <= slots < 4 * keys, "as much memory as stated"
