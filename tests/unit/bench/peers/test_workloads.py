"""The workloads are what their names say."""

import pytest

from bench.peers.job import FAST_LIMIT, SLOW_LIMIT, Job, Setup
from bench.peers.measure import MEASURES
from bench.peers.workloads import KEEP_ALIVE, WORKLOADS

INSTANCES = (("127.0.0.1", 9001), ("127.0.0.2", 9001))


def test_keep_alive() -> None:
    """Twelve fields in a head of about 600 bytes."""
    assert len(KEEP_ALIVE.fields) == 12
    assert 560 <= len(KEEP_ALIVE.head) <= 680
    assert KEEP_ALIVE.head.endswith(b"\r\n\r\n")


def test_two_fields() -> None:
    """The Host, and one more."""
    assert len(WORKLOADS["keepalive-2"].fields) == 2


def test_upload() -> None:
    """The head announces the body."""
    head = WORKLOADS["upload-64k"].head
    assert head.startswith(b"POST ")
    assert b"\r\nContent-Length: 65536\r\n" in head


def test_closing() -> None:
    """The client asks for the end of the connection with every request."""
    assert dict(WORKLOADS["connection"].fields)["Connection"] == "close"


@pytest.mark.parametrize("name", WORKLOADS)
def test_setups_can_be_told_apart(name: str) -> None:
    """Several setups have names of their own, and every measure exists."""
    workload = WORKLOADS[name]
    names = [setup.name for setup in workload.setups]
    assert len(set(names)) == len(names)
    assert len(names) == 1 or all(names)
    assert workload.measure in MEASURES


def test_one_route() -> None:
    """One route leads to everything that is asked for."""
    assert Job(KEEP_ALIVE, Setup(), INSTANCES).prefixes == ("/api",)


def test_many_routes() -> None:
    """Every path of the workload has a route of its own, and so has the check."""
    workload = WORKLOADS["routes-10000"]
    prefixes = Job(workload, workload.setups[1], INSTANCES).prefixes
    assert len(set(prefixes)) == 10_000
    assert "/api/check" in prefixes
    assert all(f"{prefix}/items/42" == workload.path(number) for number, prefix in enumerate(prefixes[1:]))


def test_setups_of_keys_have_one_limit() -> None:
    """What a bucket costs must not depend on how fast it fills again."""
    workload = WORKLOADS["keys-1000000"]
    assert {Job(workload, setup, INSTANCES).limit for setup in workload.setups} == {SLOW_LIMIT}
    assert Job(KEEP_ALIVE, Setup(), INSTANCES).limit == FAST_LIMIT
