"""What becomes of a case's request under a translated gateway: the engine in this process, no socket."""

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gateway.clock import NANOSECONDS
from gateway.config import toml
from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.model import Health
from gateway.state.control import Control, Segment
from gateway.state.lane import FORWARD, FORWARD_COPIED, Connection, Lane, Snapshot
from gateway.supervisor.rows import Rows
from tests.conformance import reference
from tests.conformance.gateway_api.translate import Gateway

NOW = 1_000_000_000_000
CLIENT = "192.0.2.1"
ANY_HOST = "gateway.test"
DEFAULT_PORTS = {"http": 80, "https": 443}
MOST = 1_000
"""Rows of each kind."""

Case = Mapping[str, Any]


class Served:
    """A gateway that can be asked."""

    def __init__(self, gateway: Gateway) -> None:
        """Raises ConfigErrors when the translation is no configuration."""
        self._gateway = gateway
        config = parse(toml.dumps(gateway.tables), gateway.name, {})
        self._rows = Rows.fresh(services=MOST, series=MOST, limits=MOST)
        _, blob = compile_snapshot(config, 1, self._rows)
        segment = Segment.create(
            lanes=4, instances=MOST, services=MOST, series=MOST, limits=MOST, limit_keys=16, hash_seed=42
        )
        control = Control(segment)
        control.open_lane(0, os.getpid())
        self._services: dict[Any, str] = {}
        for slot, (name, service) in enumerate(config.services.items()):
            address = str(service.instances[0].address)
            control.write_instance(slot, 1, address, weight=1, max_in_flight=0, health=Health.HEALTHY)
            control.publish_members(self._rows.service_slot(name), [slot])
            self._services[address] = name
        self._lane = Lane(segment, 0, random_seed=42)
        self._lane.adopt(Snapshot.compile(blob))

    def differences(self, case: Case) -> list[str]:
        """What a case expects and does not get."""
        host, port = self._asked(case["Request"])
        number = self._rows.listener_number(f"127.0.0.1:{port}")
        connection = Connection(self._lane, number, CLIENT, NOW)
        action, argument, payload = connection.receive(_head(case["Request"], host), NOW)
        mirror = self._mirror(connection) if action == FORWARD_COPIED else None
        answer = self._late(connection, case["Request"])
        connection.close(NOW)
        if answer is not None:
            return list(_answered(case, answer))
        if action in {FORWARD, FORWARD_COPIED}:
            forwarded = _forwarded(case, self._service(argument), payload, host)
            return [*forwarded, *_mirrored(case, mirror)]
        return list(_answered(case, payload))

    def _service(self, instance: int) -> str:
        """Whose it is, by its key."""
        address = self._lane.address(instance)
        assert isinstance(address, tuple)
        return self._services[f"{address[0]}:{address[1]}"]

    def _mirror(self, connection: Connection) -> str | None:
        """Who gets a copy of the request."""
        begun = connection.begin_copy(NOW)
        if begun is None:
            return None
        copy, instance = begun
        copy.close(NOW)
        return self._service(instance)

    def _late(self, connection: Connection, request: Case) -> bytes | None:
        """The gateway's own answer when the instance takes as long as the request tells it to; None where it may."""
        delay = parse_qs(urlsplit(request["Path"]).query).get("delay", ["0s"])[0]
        now = NOW + round(float(delay.removesuffix("s")) * NANOSECONDS)
        if connection.index not in self._lane.expired(now, most=1):
            return None
        return connection.expire(0, now)[2]

    def _asked(self, request: Case) -> tuple[str, int]:
        """The host that a client would name, and the port that it would have connected to."""
        host = request.get("Host", ANY_HOST)
        port = urlsplit(f"//{host}").port
        if port is not None or 80 in self._gateway.ports:
            return host, port or 80
        return f"{host}:{self._gateway.ports[0]}", self._gateway.ports[0]


def _head(request: Case, host: str) -> bytes:
    lines = [f"{request.get('Method') or 'GET'} {request['Path']} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.get("Headers", {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _service_of(backend: str) -> str:
    """The name of a backend in a case as that of its service."""
    return f"infra-backend-{backend.rpartition('ServiceName')[2].lower()}"


def _mirrored(case: Case, mirror: str | None) -> Iterator[str]:
    """Who got a copy: where a case names a share, one request may have none."""
    for wanted in case.get("MirroredTo", ()):
        expected = _service_of(wanted["BackendRef"]["Name"])
        if mirror != expected and (mirror is not None or "Percent" not in wanted):
            yield f"expected a copy for {expected}, got {mirror or 'none'}"
    if mirror is not None and "MirroredTo" not in case:
        yield f"expected no copy, got one for {mirror}"


def _forwarded(case: Case, service: str, payload: bytes, host: str) -> Iterator[str]:
    """A request that went to an instance."""
    status = case.get("Response", {}).get("StatusCode", 200)
    if status != 200:
        yield f"expected status {status}, got {service}"
        return
    backend = case.get("Backend")
    expected = _service_of(backend) if backend else service
    if service != expected:
        yield f"expected {expected}, got {service}"
    (message,) = reference.requests(payload)
    wanted = case.get("ExpectedRequest", {})
    request = {"Path": case["Request"]["Path"], "Host": host, **wanted.get("Request", {})}
    target = message.line.split(" ")[1]
    if target != request["Path"]:
        yield f"expected the path {request['Path']}, got {target}"
    for name, value in {"Host": request["Host"], **wanted.get("Request", {}).get("Headers", {})}.items():
        got = ",".join(message.values(name.lower()))
        if got != value:
            yield f"expected {name}: {value}, got {got or 'none'}"
    for name in wanted.get("AbsentHeaders", ()):
        if message.values(name.lower()):
            yield f"expected no {name}"


def _answered(case: Case, payload: bytes) -> Iterator[str]:
    """A request that the gateway answers itself."""
    head = payload.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    status, expected = int(head[0].split(" ")[1]), case.get("Response", {}).get("StatusCode", 200)
    if status != expected:
        yield f"expected status {expected}, got {status}"
        return
    if "RedirectRequest" in case:
        location = next(line.partition(": ")[2] for line in head if line.lower().startswith("location:"))
        yield from _redirected(case["RedirectRequest"], location)


def _redirected(wanted: Case, location: str) -> Iterator[str]:
    """What a case does not name may be anything; a port that it does not name is the scheme's own."""
    parts = urlsplit(location)
    got = {"Scheme": parts.scheme, "Host": parts.hostname, "Path": parts.path}
    for key, value in got.items():
        if key in wanted and wanted[key] != value:
            yield f"expected {key} {wanted[key]}, got {location}"
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    if "Port" in wanted and str(port) != wanted["Port"]:
        yield f"expected port {wanted['Port']}, got {location}"
    if "Scheme" in wanted and "Port" not in wanted and port != DEFAULT_PORTS[wanted["Scheme"]]:
        yield f"expected no port, got {location}"
