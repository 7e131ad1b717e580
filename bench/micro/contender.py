"""A process that charges one key until it is told to end, and then says how often: ``SEGMENT KEY BYTES``.

The segment is a descriptor, the key in hexadecimal, and the snapshot of so many bytes comes on stdin.
"""

import signal
import sys
from itertools import repeat

from bench.micro.side import SECOND_NS, WIDE
from gateway.state.lane import Snapshot, open_lane

_LANE = 1
_NOW = 1_000 * SECOND_NS
_BETWEEN_LOOKS = 1_000
"""Charges between two looks at the signal."""


def main(segment: int, key: bytes, snapshot: bytes) -> None:
    """Until SIGTERM."""
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    lane = open_lane(segment, _LANE, random_seed=1)
    lane.adopt(Snapshot.compile(snapshot))
    charge, made = lane.charge, 0
    print("charging", flush=True)
    while not ended:
        for _ in repeat(None, _BETWEEN_LOOKS):
            charge(WIDE, key, 1, _NOW)
        made += _BETWEEN_LOOKS
    print(made)


if __name__ == "__main__":
    main(int(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.stdin.buffer.read(int(sys.argv[3])))
