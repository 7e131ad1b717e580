"""Readiness and the status document."""

import pytest

from gateway.supervisor.admin.status import (
    InstanceFacts,
    LaneFacts,
    ServiceFacts,
    WorkerFacts,
    readiness,
    status_document,
)
from gateway.supervisor.cluster.membership import Report
from gateway.supervisor.cluster.service import Tally
from gateway.supervisor.lifecycle import State

READY, DEAD = (
    WorkerFacts(0, "ready", 0, 11, 3),
    WorkerFacts(1, "waiting", 4, None, None, "exited with code 3", crash_loop=True),
)
FIRST, LATE = WorkerFacts(0, "starting", 0, 12, 4), WorkerFacts(2, "late", 0, 13, 5)
REPORT = Report(("10.0.0.5:6379",), False, 1.23456, 3, 7, Tally())
MISSED = "worker 1 is waiting: the last one exited with code 3"


@pytest.mark.parametrize(
    ("state", "workers", "reasons"),
    [
        (State.READY, [READY], []),
        (State.READY, [DEAD, READY], []),
        (State.READY, [DEAD], ["no worker serves", MISSED]),
        (State.READY, [FIRST], ["no worker serves", "worker 0 is starting"]),
        (State.READY, [READY, DEAD, LATE], ["only 1 of 3 workers serve", MISSED, "worker 2 is late"]),
        (State.READY, [READY, READY, DEAD, LATE], []),
        (State.STARTING, [READY], ["the gateway is starting"]),
        (State.DRAINING, [READY], ["the gateway is draining"]),
        (State.STOPPED, [], ["the gateway is stopped"]),
    ],
)
def test_readiness(state: State, workers: list[WorkerFacts], reasons: list[str]) -> None:
    """Ready means: started, not ending, and at least half of the workers serve; otherwise each is named that does not."""
    assert readiness(state, workers) == reasons


def test_the_status_document() -> None:
    """Each worker is shown with what its lane says, a missing one without; services with their instances."""
    document = status_document(
        state=State.READY,
        epoch=2,
        now=5_000_000_000,
        listeners={"127.0.0.1:0": "http://127.0.0.1:8080"},
        workers=[READY, DEAD],
        lanes={3: LaneFacts(epoch=2, heartbeat=4_950_000_000)},
        services={
            "api": ServiceFacts(
                [
                    InstanceFacts("10.0.0.1:80", "healthy", "status 200", 1, 2),
                    InstanceFacts("10.0.0.2:80", "ejected", "5 failures in a row", 0, 1, 86_400_123_456_789),
                ],
                panic=True,
            )
        },
        overrides=[{"key": "routes.a.limit.rate"}],
        cluster=REPORT,
    )
    assert (document["state"], document["epoch"]) == ("ready", 2)
    assert document["listeners"] == [{"name": "127.0.0.1:0", "url": "http://127.0.0.1:8080"}]
    assert document["workers"] == [
        {
            "slot": 0, "pid": 11, "lane": 3, "state": "ready", "restarts": 0, "last_exit": None,
            "crash_loop": False, "epoch": 2, "heartbeat_age_seconds": 0.05,
        },
        {
            "slot": 1, "pid": None, "lane": None, "state": "waiting", "restarts": 4,
            "last_exit": "exited with code 3", "crash_loop": True, "epoch": None, "heartbeat_age_seconds": None,
        },
    ]  # fmt: skip
    instance = {
        "address": "10.0.0.1:80",
        "state": "healthy",
        "reason": "status 200",
        "until": None,
        "in_flight": 1,
        "weight": 2,
    }
    ejected = {
        "address": "10.0.0.2:80",
        "state": "ejected",
        "reason": "5 failures in a row",
        "until": "1970-01-02T00:00:00.123Z",
        "in_flight": 0,
        "weight": 1,
    }
    assert document["services"] == [{"name": "api", "panic": True, "instances": [instance, ejected]}]
    assert document["overrides"] == [{"key": "routes.a.limit.rate"}]
    assert document["cluster"] == {
        "redis": ["10.0.0.5:6379"],
        "reachable": False,
        "unreachable_seconds": 1.235,
        "gateways": 3,
        "leases": 7,
    }
