"""The metrics page, compared with the page as it should be."""

from pathlib import Path

import pytest

from gateway.model import Health
from gateway.supervisor.cluster.membership import Report
from gateway.supervisor.cluster.service import Tally
from gateway.supervisor.telemetry.metrics import (
    InstanceGauge,
    Legend,
    LimitRow,
    MirrorRow,
    ProcessGauges,
    RequestRow,
    Vocabulary,
    render,
)
from tests.helpers.exposition import Metrics

VOCABULARY = Vocabulary(
    ["connections_accepted", "mirrors_dropped_full", "mirrors_dropped_slow"],
    ["allowed", "refused", "overflow", "forfeited"],
    ["served", "full", "late"],
    ["closed", "cut"],
    [0.005, 1.0],
)
NOW = 5
GOLDEN = Path(__file__).parent / "metrics.txt"


class Memory:
    """Readings that a person can check."""

    def requests(self, row: int) -> list[tuple[int, int]]:
        """The matched row has two codes, the other one."""
        return [(200, 12), (502, 1)] if row == 1 else [(404, 3)]

    def passed(self, row: int) -> tuple[int, int, int, list[int]]:
        """Six connections, four of which have ended."""
        assert row == 2
        return 6, 700, 8000, [3, 1]

    def durations(self, service: int) -> tuple[list[int], int]:
        """Thirteen exchanges in 1.5 s."""
        assert service == 0
        return [10, 2, 1], 1_500_000_000

    def limit_decisions(self, row: int) -> list[int]:
        """Four different numbers."""
        assert row == 4
        return [9, 4, 0, 1]

    def queue(self, service: int) -> tuple[int, list[int], int]:
        """Five wait, ten have got a place after 2.5 s in all."""
        assert service == 0
        return 5, [10, 3, 1], 2_500_000_000

    def limit_table(self, now: int) -> tuple[int, int, int]:
        """Three different numbers."""
        assert now == NOW
        return 256, 12, 7

    def counters(self) -> list[int]:
        """Three counters."""
        return [16, 4, 0]

    def connections(self) -> int:
        """Three."""
        return 3

    def in_flight(self, slot: int) -> int:
        """As many as the slot's number."""
        return slot


class Queues(Memory):
    """Nobody has waited at the first two services, two have at the third, and one waits at the fourth."""

    def durations(self, service: int) -> tuple[list[int], int]:
        """No exchanges."""
        return [0, 0, 0], 0

    def queue(self, service: int) -> tuple[int, list[int], int]:
        """By service."""
        return [(0, [0, 0, 0], 0), (0, [0, 0, 0], 0), (0, [1, 0, 1], 5), (1, [0, 0, 0], 0)][service]


def _page(route: str = "all") -> str:
    legend = Legend(
        requests=[
            RequestRow(0, "127.0.0.1:80", "", ""),
            RequestRow(1, "127.0.0.1:80", route, "api"),
            RequestRow(2, "127.0.0.1:6379", "", "db"),
        ],
        mirrors=[MirrorRow(1, route, "shadow")],
        limits=[LimitRow(4, route, "", "default")],
        services={"api": 0},
        queued=frozenset({"api"}),
    )
    instances = [
        InstanceGauge("api", "10.0.0.1:80", 0, Health.HEALTHY, ejected=False, ejections={"failures": 0}),
        InstanceGauge("api", "10.0.0.2:80", 1, Health.UNHEALTHY, ejected=False, ejections={"failures": 3}),
        InstanceGauge("api", "10.0.0.3:80", 2, Health.UNKNOWN, ejected=True, ejections={"failures": 1}),
    ]
    tally = Tally(wants=9, questions=8, trips=5, trip_ns=2_500_000, failures=1)
    process = ProcessGauges(
        epoch=7,
        workers_ready=1,
        restarts=[0, 2],
        panics={"api": False, "web": True},
        cluster=Report(("10.0.0.5:6379",), True, 1.5, 3, 4, tally),
    )
    return render(Memory(), legend, instances, process, vocabulary=VOCABULARY, now=NOW)


def test_the_page() -> None:
    """Names, labels, cumulative buckets and numbers are those of the golden file."""
    assert _page() == GOLDEN.read_text()


def test_without_a_listener_that_passes_through_there_are_no_such_metrics() -> None:
    """Most gateways have none."""
    legend = Legend([RequestRow(0, "127.0.0.1:80", "", "")], [], [], {}, frozenset())
    process = ProcessGauges(epoch=1, workers_ready=1, restarts=[0], panics={})
    assert "headgate_passed" not in render(Memory(), legend, [], process, vocabulary=VOCABULARY, now=NOW)


def test_queues_are_told_of_where_there_are_some() -> None:
    """Of services with a queue, and of those that had one: what was counted once does not go away."""
    services = {"plain": 0, "queued": 1, "former": 2, "leaving": 3}
    legend = Legend([], [], [], services, frozenset({"queued"}))
    process = ProcessGauges(epoch=1, workers_ready=1, restarts=[0], panics={})
    page = Metrics.parse(render(Queues(), legend, [], process, vocabulary=VOCABULARY, now=NOW))
    for family in ("depth", "ends_total", "wait_seconds_sum", "wait_seconds_count"):
        told = {sample.labels["service"] for sample in page if sample.name == f"headgate_queue_{family}"}
        assert told == {"queued", "former", "leaving"}, family


@pytest.mark.parametrize(
    ("name", "written"), [('say "hi"', r"say \"hi\""), ("a\\b", r"a\\b"), ("two\nlines", r"two\nlines")]
)
def test_label_values_are_escaped(name: str, written: str) -> None:
    """Quotes, back-slashes and line ends cannot break the page."""
    page = _page(route=name)
    assert f'route="{written}"' in page
    Metrics.parse(page)
