"""Every row of responses, however it is cut; and the next exchange gets its own answer."""

import pytest

from tests.conformance import reference
from tests.conformance.engine import Engine, Outcome, splits
from tests.conformance.response_rows import Broken, Relayed, Row, rows

ROWS = list(rows())


@pytest.fixture(scope="module")
def engine() -> Engine:
    """One engine for all rows."""
    return Engine()


def check(outcome: Outcome, row: Row, *, whole: bool) -> None:
    """The client saw what it should, and whole messages only if they are."""
    method = row.request.split(b" ")[0].decode()
    if isinstance(row.expected, Relayed):
        expected = row.expected
        *interim, answer = reference.responses(outcome.answer, [method], closed=outcome.closed)
        assert tuple(message.status for message in interim) == expected.interim
        assert (answer.status, answer.body) == (expected.status, expected.body)
        assert {name: answer.values(name) for name in expected.fields} == dict(expected.fields)
        assert (outcome.closed, outcome.aborted) == (expected.closes, False)
        if whole and answer.status != 101:
            assert outcome.kept == [expected.kept]
        return
    assert outcome.kept in ([False], [])
    if isinstance(row.expected, Broken) and outcome.aborted:
        with pytest.raises(reference.IncompleteError):
            reference.responses(outcome.answer, [method])
        return
    *interim, answer = reference.responses(outcome.answer, [method])
    assert answer.status == 502
    assert all(message.status < 200 for message in interim)
    assert not outcome.closed


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.behaviour} {row.name}" for row in ROWS])
def test_rows_in_process(engine: Engine, row: Row) -> None:
    """The same however the answer is cut; where the client's connection lives on, its next request gets its own answer."""
    for number, pieces in enumerate(splits(row.raw)):
        check(
            engine.relay(row.request, [piece for piece in pieces if piece], row.end), row, whole=number == 0
        )


def test_a_broken_answer_is_never_whole(engine: Engine) -> None:
    """An answer that ends at any of its bytes, with a FIN or a reset, reaches nobody as a whole one."""
    for raw in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ):
        for at in range(len(raw)):
            for end in ("fin", "reset"):
                row = Row("U01", f"{at}", raw[:at], Broken(), end=end)
                check(engine.relay(row.request, [raw[:at]] if at else [], end), row, whole=False)
