"""The page of metrics, by number of rows that it sums over the lanes and renders."""

from collections import Counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.messages import REQUEST_12_FIELDS, RESPONSE
from bench.micro.headgate import LANES, HeadgateSide
from gateway.state.lane import Connection
from gateway.state.view import COUNTERS, DURATION_BOUNDS, LIMIT_DECISIONS, PASS_ENDS, WAIT_ENDS, View
from gateway.supervisor.telemetry.metrics import Legend, ProcessGauges, RequestRow, Vocabulary, render

ROWS = (10, 1_000, 10_000)
_REQUESTS = 5
_COUNTED = 1
"""The row that the requests are counted in: 0 is for those without a route."""


def _legend(rows: int) -> Legend:
    """Every row of the page shows the same row of the memory."""
    named = [RequestRow(_COUNTED, "127.0.0.1:80", f"route-{row}", "p2c") for row in range(rows)]
    return Legend(named, [], [], {"p2c": 0}, frozenset())


@pytest.mark.parametrize("rows", ROWS)
def test_headgate(benchmark: BenchmarkFixture, rows: int) -> None:
    """Five requests were counted, and every row shows them."""
    side = HeadgateSide()
    connection = Connection(side.decisions, 0, "192.0.2.1", 1)
    for _ in range(_REQUESTS):
        connection.receive(REQUEST_12_FIELDS, 1)
        connection.respond(RESPONSE, 1)
    view, legend, process = View(side.segment), _legend(rows), ProcessGauges(1, LANES, [0] * LANES, panics={})
    vocabulary = Vocabulary(COUNTERS, LIMIT_DECISIONS, WAIT_ENDS, PASS_ENDS, DURATION_BOUNDS)

    def page() -> str:
        return render(view, legend, [], process, vocabulary=vocabulary, now=1)

    counted = 'headgate_requests_total{listener="127.0.0.1:80",route="route-7",service="p2c",code="200"} 5'
    assert counted in page().splitlines()
    benchmark.group = _group(rows)
    benchmark(page)


@pytest.mark.parametrize("rows", ROWS)
def test_plain(benchmark: BenchmarkFixture, rows: int) -> None:
    """The same lines for requests out of one dict, and nothing else of the page."""
    counts = Counter({("127.0.0.1:80", f"route-{row}", "p2c", 200): _REQUESTS for row in range(rows)})

    def page() -> str:
        lines = (
            f'headgate_requests_total{{listener="{listener}",route="{route}",service="{service}",code="{code}"}} {count}'
            for (listener, route, service, code), count in counts.items()
        )
        return "\n".join(lines)

    assert page().count(" 5") == rows
    benchmark.group = _group(rows)
    benchmark(page)


def _group(rows: int) -> str:
    return f"page of metrics, {rows:,} rows (a round is one page)"
