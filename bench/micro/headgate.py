"""Headgate's side: a worker's lane on a shared memory of its own, and the supervisor's pen to change health with."""

import json
import os
from typing import Any

from bench.micro.side import LIMITS, SERVICE
from gateway.state.control import HEALTH_HEALTHY, HEALTH_UNHEALTHY, Control, Segment
from gateway.state.lane import Engine, Lane, Snapshot

_GENERATION = 1

_LISTENER = {
    "name": "127.0.0.1:0",
    "scheme": "http",
    "row": 0,
    "header_timeout_ms": 10_000,
    "body_idle_timeout_ms": 30_000,
    "keepalive_timeout_ms": 75_000,
    "write_timeout_ms": 60_000,
    "max_head_bytes": 32_768,
    "max_line_bytes": 8_192,
    "max_fields": 100,
    "max_target_bytes": 8_192,
    "max_body_bytes": None,
    "max_requests": None,
}
_SERVICE = {
    "name": SERVICE,
    "slot": 0,
    "balance": "p2c",
    "connect_timeout_ms": 2_000,
    "first_byte_timeout_ms": 30_000,
    "idle_timeout_ms": 60_000,
}
_ROUTE = {
    "name": "api",
    "host": None,
    "path": None,
    "methods": [],
    "service": 0,
    "tries": 2,
    "limits": [
        {
            "name": name.removeprefix("api/"),
            "row": row,
            "tokens": limit.tokens,
            "period_ns": limit.period_ns,
            "burst": limit.burst,
            "key": "client_ip",
        }
        for row, (name, limit) in enumerate(LIMITS.items())
    ],
    "rows": [1],
}
_SNAPSHOT: dict[str, Any] = {"epoch": 1, "listeners": [_LISTENER], "services": [_SERVICE], "routes": [_ROUTE]}


class HeadgateSide:
    """One live lane; the decisions are those of the request path."""

    def __init__(self, *, instances: int, keys: int) -> None:
        segment = Segment.create(
            lanes=4,
            instances=instances,
            services=1,
            series=2,
            limits=len(LIMITS),
            limit_keys=keys * len(LIMITS),
            hash_seed=42,
        )
        self._control = Control(segment)
        self._control.open_lane(0, os.getpid())
        for slot in range(instances):
            address = f"127.0.0.1:{10_000 + slot}"
            self._control.write_instance(
                slot, _GENERATION, address, weight=1, max_in_flight=0, health=HEALTH_HEALTHY
            )
        self._control.publish_members(0, range(instances))
        engine = Engine(segment, 0, random_seed=42)
        engine.adopt(Snapshot.compile(json.dumps(_SNAPSHOT).encode()))
        self.decisions = Lane(engine)
        self.instances = [_GENERATION << 32 | slot for slot in range(instances)]

    def set_healthy(self, position: int, healthy: bool) -> None:
        """One store into the instance's health word."""
        self._control.set_health(position, HEALTH_HEALTHY if healthy else HEALTH_UNHEALTHY)
