"""Headgate's side: a worker's lane on a shared memory of its own, and the supervisor's pen to change health with."""

import os
import time
from itertools import zip_longest

from bench.messages import REQUEST_2_FIELDS, RESPONSE
from bench.micro.side import HOST, LIMITS, PREFIXES, SECOND_NS, SERVICES
from bench.snapshot import SERIES, published
from gateway.model import Health
from gateway.state.control import Control, Segment
from gateway.state.lane import FINISH, FORWARD, Connection, Lane, Snapshot

HASHED = "hash"
"""Name of the service whose requests go by a key, as the file and the benchmarks call it."""
HASHED_ROW = len(SERVICES)
"""Its place behind the others, which are in the order of the file."""
LANES = 4
"""Live lanes, all of which a look at an instance's load goes through."""
_GENERATION = 1
_SERVICE = """\
[services.{name}]
instances = ["127.0.0.1:9"]
balance = "{name}"
"""
_HASHED = f"""\
[services.{HASHED}]
instances = ["127.0.0.1:9"]
balance = "hash"
hash = {{ key = "client_ip" }}
[[routes]]
path = "/hashed"
service = "{HASHED}"
"""
_LATENCY_NS = 1_000_000
_BY_SERVICE = """\
[[routes]]
host = "{host}"
path = "/{service}"
service = "{service}"
"""
_BY_LIMIT = """\
[[routes]]
name = "{route}"
host = "{host}"
path = "{prefix}/*"
service = "{service}"
limit = {{ name = "{limit}", rate = "{rate}/s", burst = {burst}, key = "client_ip" }}
"""


class HeadgateSide:
    """One worker's lane; the decisions are those of the request path."""

    def __init__(self, *, instances: int = 2, keys: int = 8, other_routes: int = 0) -> None:
        self.segment = Segment.create(
            lanes=LANES,
            instances=instances,
            services=len(SERVICES) + 1,
            series=SERIES,
            limits=8,
            limit_keys=keys + 8,  # those of the one limit, and the few that show the verdicts of the other
            hash_seed=42,
        )
        self._control = Control(self.segment)
        for lane in range(LANES):
            self._control.open_lane(lane, os.getpid())
        for slot in range(instances):
            address = f"127.0.0.1:{10_000 + slot}"
            self._control.write_instance(
                slot, _GENERATION, address, weight=1, max_in_flight=0, health=Health.HEALTHY
            )
        self.instances = [_GENERATION << 32 | slot for slot in range(instances)]
        self._publish()
        self._control.publish_ring(HASHED_ROW, range(instances), index=False)
        self.snapshot = published(_configuration(), other_routes=other_routes)
        self.decisions = Lane(self.segment, 0, random_seed=42)
        self.decisions.adopt(Snapshot.compile(self.snapshot))
        self._learn_latencies()

    def set_healthy(self, position: int, healthy: bool) -> None:
        """One store into the instance's health word, and the members published anew."""
        self._control.set_health(position, Health.HEALTHY if healthy else Health.UNHEALTHY)
        self._publish()

    def _learn_latencies(self) -> None:
        """One instance answers, and what it took is what the others are believed to take: a second ago, and has faded since."""
        asked = time.monotonic_ns() - SECOND_NS
        answered = asked + _LATENCY_NS
        connection = Connection(self.decisions, 0, "192.0.2.1", asked)
        assert connection.receive(REQUEST_2_FIELDS.replace(b"/some/path", b"/ewma", 1), asked)[0] == FORWARD
        assert connection.respond(RESPONSE, answered)[0] == FINISH
        connection.close(answered)
        self._publish(answered)

    def _publish(self, now: int = 0) -> None:
        for service in range(len(SERVICES) + 1):
            self._control.publish_members(service, range(len(self.instances)), now=now)


def _configuration() -> str:
    parts = ['[[listen]]\naddress = "127.0.0.1:0"']
    parts += [_SERVICE.format(name=name) for name in SERVICES]
    for service, (full_name, limit) in zip_longest(SERVICES, LIMITS.items(), fillvalue=("", None)):
        if limit is None:
            parts.append(_BY_SERVICE.format(host=HOST.decode(), service=service))
            continue
        route, _, name = full_name.partition("/")
        parts.append(
            _BY_LIMIT.format(
                route=route,
                host=HOST.decode(),
                prefix=PREFIXES[full_name].decode(),
                service=service,
                limit=name,
                rate=limit.tokens_per_second,
                burst=limit.burst,
            )
        )
    return "\n".join([*parts, _HASHED])
