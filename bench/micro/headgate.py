"""Headgate's side: a worker's lane on a shared memory of its own, and the supervisor's pen to change health with."""

import os

from bench.micro.side import LIMITS, ROUTE, SERVICE
from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.model import Health
from gateway.state.control import Control, Segment
from gateway.state.lane import Lane, Snapshot
from gateway.supervisor.rows import Rows

_GENERATION = 1
_LIMIT = '{{ name = "{name}", rate = "{rate}/s", burst = {burst}, key = "client_ip" }}'
_CONFIGURATION = """\
[[listen]]
address = "127.0.0.1:0"

[services.{service}]
instances = ["127.0.0.1:9"]
balance = "p2c"

[[routes]]
name = "{route}"
service = "{service}"
limit = [{limits}]
"""


class HeadgateSide:
    """One live lane; the decisions are those of the request path."""

    def __init__(self, *, instances: int, keys: int) -> None:
        # Both limits may have a bucket for every key.
        capacities = {"lanes": 4, "instances": instances, "services": 1, "series": 2, "limits": len(LIMITS)}
        segment = Segment.create(**capacities, limit_keys=keys * len(LIMITS), hash_seed=42)
        self._control = Control(segment)
        self._control.open_lane(0, os.getpid())
        for slot in range(instances):
            address = f"127.0.0.1:{10_000 + slot}"
            self._control.write_instance(
                slot, _GENERATION, address, weight=1, max_in_flight=0, health=Health.HEALTHY
            )
        self._control.publish_members(0, range(instances))
        self.decisions = Lane(segment, 0, random_seed=42)
        self.decisions.adopt(Snapshot.compile(_blob()))
        self.instances = [_GENERATION << 32 | slot for slot in range(instances)]

    def set_healthy(self, position: int, healthy: bool) -> None:
        """One store into the instance's health word."""
        self._control.set_health(position, Health.HEALTHY if healthy else Health.UNHEALTHY)


def _blob() -> bytes:
    """A snapshot as the supervisor would publish it. Its instances stand in the memory and not in here."""
    limits = ", ".join(
        _LIMIT.format(name=name, rate=limit.tokens_per_second, burst=limit.burst)
        for name, limit in LIMITS.items()
    )
    text = _CONFIGURATION.format(service=SERVICE, route=ROUTE, limits=limits)
    rows = Rows.fresh(services=1, series=2, limits=len(LIMITS))
    _, blob = compile_snapshot(parse(text, "bench", {}), 1, rows)
    return blob
