"""What clients send, and what becomes of it: one row a stimulus, in our own words, with the behaviour it shows."""

from collections.abc import Iterator

from tests.conformance.request_rows import fields, framing, heads, lives, targets
from tests.conformance.request_rows.form import Row


def rows() -> Iterator[Row]:
    """All rows."""
    for group in (framing, heads, targets, fields, lives):
        yield from group.rows()
