"""A process that charges buckets at random until it is killed: ``SEGMENT LANE LEDGER KEYS SNAPSHOT``, the first three but the
lane as descriptors. Each token that it got stands in its ledger, one byte a key.
"""

import mmap
import random
import sys
from pathlib import Path

from gateway.state.lane import Snapshot, open_lane
from tests.helpers.processes import die_with_parent

NOW = 1_000_000_000_000
LIMIT = "r/l"


def name(key: int) -> bytes:
    """A key as the limit gets it."""
    return key.to_bytes(8, "big")


def main(segment: int, number: int, ledger_file: int, keys: int, snapshot: Path) -> None:
    """Until it is killed."""
    die_with_parent()
    lane = open_lane(segment, number, random_seed=1)
    lane.adopt(Snapshot.compile(snapshot.read_bytes()))
    ledger = mmap.mmap(ledger_file, keys)
    charge, draw = lane.charge, random.random
    while True:
        key = int(draw() * keys)
        if charge(LIMIT, name(key), 1, NOW)[0]:
            ledger[key] += 1


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]), Path(sys.argv[5]))
