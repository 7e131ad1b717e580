"""The book of overrides: who put what in place of which value, and the audit records of it."""

import logging

import pytest

from gateway.config.overrides import Overrides, patched, read
from gateway.supervisor.overrides import OverrideBook

PATCH = {"routes": {"a b": {"limit": {"rate": "1/s", "burst": 2}}}}


def test_every_change_is_recorded_once(caplog: pytest.LogCaptureFixture) -> None:
    """With what it was before and who did it; what stays keeps its entry."""
    caplog.set_level(logging.INFO, "headgate.audit")
    now = 86_400_000_000_000
    book = OverrideBook(lambda: now)
    assert book.take(read(patched({}, PATCH)), "me") == (
        'routes."a b".limit.rate: 1/s',
        'routes."a b".limit.burst: 2',
    )
    now *= 2
    other = patched(book.overrides.settings, {"routes": {"a b": {"limit": {"rate": "3/s"}}}})
    assert book.take(read(other), "you") == ('routes."a b".limit.rate: 3/s',)
    assert [(entry["value"], entry["since"], entry["by"]) for entry in book.document()] == [
        ("3/s", "1970-01-03T00:00:00.000Z", "you"),
        (2, "1970-01-02T00:00:00.000Z", "me"),
    ]
    assert book.document()[0]["path"] == ("routes", "a b", "limit", "rate")
    assert len(book.take(Overrides(), "all")) == 2
    assert book.document() == []
    assert [record.getMessage() for record in caplog.records] == [
        'routes."a b".limit.rate: 1/s, was as in the file, by me',
        'routes."a b".limit.burst: 2, was as in the file, by me',
        'routes."a b".limit.rate: 3/s, was 1/s, by you',
        'routes."a b".limit.rate: as in the file, was 3/s, by all',
        'routes."a b".limit.burst: as in the file, was 2, by all',
    ]
