"""Readiness and the status document."""

import pytest

from gateway.supervisor.admin.status import InstanceFacts, LaneFacts, WorkerFacts, readiness, status_document
from gateway.supervisor.lifecycle import State

READY, DEAD = WorkerFacts(0, "ready", 0, 11, 3), WorkerFacts(1, "waiting", 4, None, None)


@pytest.mark.parametrize(
    ("state", "workers", "reasons"),
    [
        (State.READY, [READY], []),
        (State.READY, [DEAD, READY], []),
        (State.READY, [DEAD], ["no worker is ready"]),
        (State.STARTING, [READY], ["the gateway is starting"]),
        (State.DRAINING, [READY], ["the gateway is draining"]),
        (State.STOPPED, [], ["the gateway is stopped"]),
    ],
)
def test_readiness(state: State, workers: list[WorkerFacts], reasons: list[str]) -> None:
    """Ready means: started, not ending, and somebody serves."""
    assert readiness(state, workers) == reasons


def test_the_status_document() -> None:
    """Each worker is shown with what its lane says, a missing one without; services with their instances."""
    document = status_document(
        state=State.READY,
        epoch=2,
        now=5_000_000_000,
        workers=[READY, DEAD],
        lanes={3: LaneFacts(epoch=2, heartbeat=4_950_000_000)},
        services={"api": [InstanceFacts("10.0.0.1:80", "healthy", "status 200", 1, 2)]},
    )
    assert (document["state"], document["epoch"]) == ("ready", 2)
    assert document["workers"] == [
        {
            "slot": 0, "pid": 11, "lane": 3, "state": "ready", "restarts": 0, "epoch": 2,
            "heartbeat_age_seconds": 0.05,
        },
        {
            "slot": 1, "pid": None, "lane": None, "state": "waiting", "restarts": 4, "epoch": None,
            "heartbeat_age_seconds": None,
        },
    ]  # fmt: skip
    instance = {
        "address": "10.0.0.1:80",
        "state": "healthy",
        "reason": "status 200",
        "in_flight": 1,
        "weight": 2,
    }
    assert document["services"] == [{"name": "api", "instances": [instance]}]
