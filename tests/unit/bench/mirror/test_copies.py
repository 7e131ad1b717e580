"""What became of copies."""

from bench.mirror.copies import parse_copies, shown

METRICS = """\
# HELP headgate_mirror_requests_total Copies that were made.
# TYPE headgate_mirror_requests_total counter
headgate_mirror_requests_total{route="*",service="shadow",code="200"} 1200
headgate_mirror_requests_total{route="a",service="shadow",code="200"} 34
headgate_mirror_requests_total{route="*",service="shadow",code="504"} 5
# TYPE headgate_mirror_drops_total counter
headgate_mirror_drops_total{reason="full"} 6
headgate_mirror_drops_total{reason="slow"} 0
headgate_requests_total{route="*",service="api",code="200"} 7
"""


def test_copies_are_counted_by_what_became_of_them() -> None:
    """By status over all routes, and by the reason of a drop; requests that are none are not copies."""
    assert parse_copies(METRICS) == {"200": 1234, "504": 5, "full": 6}
    assert shown(parse_copies(METRICS)) == "200: 1,234, 504: 5, full: 6"


def test_a_gateway_without_a_mirror_has_none() -> None:
    """It counts drops all the same."""
    assert shown(parse_copies('headgate_mirror_drops_total{reason="full"} 0\n')) == "none"
