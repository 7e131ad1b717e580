"""Rows of the shared memory's tables."""

import pytest

from gateway.supervisor.rows import NoRowError, Rows, Table
from gateway.supervisor.telemetry.metrics import LimitRow, RequestRow


def test_an_identity_keeps_its_row() -> None:
    """Rows are numbered from 0 as identities come, and asking again gives the same one."""
    table = Table[str]("services", 2)
    assert [table.row(name) for name in ("a", "b", "a")] == [0, 1, 0]
    assert table.items() == [("a", 0), ("b", 1)]


def test_a_full_table_is_refused_by_name() -> None:
    """What has a row keeps it; what has none is told how many there are, of what."""
    table = Table[str]("services", 1)
    table.row("a")
    with pytest.raises(NoRowError, match="room for 1 services"):
        table.row("b")
    assert table.row("a") == 0


def test_the_rows_know_what_they_count() -> None:
    """Each row is listed once, with the listener, the route, its service and the limit it was given out for."""
    rows = Rows(services=4, series=4, limits=4)
    assert (rows.service_slot("api"), rows.request_row(":80", None), rows.request_row(":80", "all")) == (
        0,
        0,
        1,
    )
    assert rows.limit_row("all", "default") == 0
    assert rows.services() == {"api": 0}
    assert rows.requests({"all": "api"}) == [RequestRow(0, ":80", "", ""), RequestRow(1, ":80", "all", "api")]
    assert rows.limits() == [LimitRow(0, "all", "default")]
