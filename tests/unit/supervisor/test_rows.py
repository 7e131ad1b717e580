"""Rows of the shared memory's tables."""

import pytest

from gateway.supervisor.rows import NoRowError, Rows, Table
from gateway.supervisor.telemetry.metrics import LimitRow, MirrorRow, RequestRow


def test_an_identity_keeps_its_row() -> None:
    """Rows are numbered from 0 as identities come, and asking again gives the same one."""
    table = Table[str]("services", "services", 2)
    assert [table.row(name) for name in ("a", "b", "a")] == [0, 1, 0]
    assert table.items() == [("a", 0), ("b", 1)]


def test_a_full_table_is_refused_by_name() -> None:
    """What has a row keeps it; what has none is told how many there are, of what."""
    table = Table[str]("services", "services", 1)
    table.row("a")
    with pytest.raises(NoRowError, match="room for 1 services"):
        table.row("b")
    assert table.row("a") == 0


def test_the_rows_know_what_they_count() -> None:
    """Each row is listed once, with the listener, the route, its service and the limit it was given out for."""
    rows = Rows.fresh(services=4, series=4, limits=4)
    assert rows.service_slot("api") == 0
    assert (rows.request_row(":80", None, ""), rows.request_row(":80", "all", "api")) == (0, 1)
    assert rows.limit_row("routes", "all", "default") == 0
    assert rows.limit_row("services", "all", "default") == 1
    assert rows.services() == {"api": 0}
    assert rows.mirror_row("all", "shadow") == 2
    assert rows.requests() == [RequestRow(0, ":80", "", ""), RequestRow(1, ":80", "all", "api")]
    assert rows.mirrors() == [MirrorRow(2, "all", "shadow")]
    assert rows.limits() == [
        LimitRow(0, route="all", service="", limit="default"),
        LimitRow(1, route="", service="all", limit="default"),
    ]


def test_a_route_that_is_led_elsewhere_counts_anew() -> None:
    """What one service was asked is not counted as another's."""
    rows = Rows.fresh(services=4, series=4, limits=4)
    assert rows.request_row(":80", "all", "api") == 0
    assert rows.request_row(":80", "all", "web") == 1
    assert [row.service for row in rows.requests()] == ["api", "web"]


def test_a_copy_is_for_trying() -> None:
    """It starts with what was given out, and what it gives out itself the original does not know."""
    rows = Rows.fresh(services=4, series=4, limits=4)
    rows.service_slot("api")
    copy = rows.copy()
    assert (copy.service_slot("api"), copy.service_slot("web")) == (0, 1)
    assert (copy.listener_number(":80"), copy.limit_row("routes", "all", "default")) == (0, 0)
    assert rows.services() == {"api": 0}
    assert rows.service_slot("other") == 1
