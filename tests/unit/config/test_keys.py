"""Parts of keys and costs: what a file may write, the same that the engine reads."""

import pytest

from gateway.config.keys import ResponseCost, may_be_missing, read_cost, read_key_part, write_cost
from gateway.errors import InvalidValueError
from gateway.state.control import Snapshot
from tests.unit.worker.stage import Stage

RIGHT = (
    "client_ip", "client_ip/24/64", "client_ip/0/0", "client_ip/32/128", "header:X-User", "cookie:id", "query:q[]",
    "path", "host", "route", "service",
)  # fmt: skip
WRONG = (
    "", "client_ip:", "client_ip/24", "client_ip/33/64", "client_ip/24/129", "client_ip/+1/1", "client_ip//", "path:",
    "path:x", "header", "header:", "header:a b", "header:a:b", "cookie:", "cookie:a=b", "query:", "query:a&b",
    "query:\u00e9", "body", "Path", "header:" + 129 * "x",
)  # fmt: skip


def _engine_compiles(part: str) -> bool:
    limit = {"name": "l", "row": 0, "tokens": 1, "period_ns": 1, "burst": 1, "key": [part]}
    try:
        Snapshot.compile(Stage(limits=(limit,))._snapshot())
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("part", RIGHT)
async def test_a_right_part_is_read_as_it_is(part: str) -> None:
    """What the file may have, the engine understands."""
    assert read_key_part(part) == part
    assert _engine_compiles(part)


@pytest.mark.parametrize("part", WRONG)
async def test_a_wrong_part_is_refused_with_the_forms(part: str) -> None:
    """Everything else is a mistake here, before the engine sees it."""
    with pytest.raises(InvalidValueError, match=r'"header:NAME"'):
        read_key_part(part)
    assert len(part) > 100 or not _engine_compiles(part)


def test_what_a_request_may_be_without() -> None:
    """Fields, cookies and parameters; and the host, in HTTP/1.0."""
    assert [part for part in RIGHT if may_be_missing(part)] == [
        "header:X-User", "cookie:id", "query:q[]", "host",
    ]  # fmt: skip


@pytest.mark.parametrize("written", [1, 1_000_000_000, {"response_header": "X-Cost"}])
def test_a_cost_comes_back_as_it_was_written(written: object) -> None:
    """Reading and writing are inverses."""
    assert write_cost(read_cost(written)) == written


def test_a_cost_of_an_answer_has_the_name_of_its_field() -> None:
    """That is all there is to it."""
    assert read_cost({"response_header": "X-Cost"}) == ResponseCost("X-Cost")


@pytest.mark.parametrize(
    "wrong", [0, -1, True, 1.0, 1_000_000_001, "1", [], {}, {"response_header": ""}, {"response_header": 1},
              {"response_header": "a:b"}, {"response_header": "a", "default": 1}],
)  # fmt: skip
def test_a_wrong_cost_is_refused(wrong: object) -> None:
    """A number that is none, a name that is none, a key that nobody knows."""
    with pytest.raises(InvalidValueError):
        read_cost(wrong)
