"""Answers and percentiles of the load generators of this suite."""

import pytest

from bench.peers.load import LoadError, is_whole
from bench.peers.load.open_loop import Latencies

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


def test_answer_in_pieces() -> None:
    """An answer is whole with its last byte and not before."""
    answer = HEAD + b"body"
    assert [is_whole(answer[:length], 4) for length in range(len(answer))] == [False] * len(answer)
    assert is_whole(answer, 4)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", "429"),
        (b"HTTP/1.1 5", "answered with"),
        (HEAD + b"bodyHTTP", "4 bytes too long"),
    ],
)
def test_wrong_answer(answer: bytes, message: str) -> None:
    """Anything else than the expected answer voids the measurement, as soon as it can be told."""
    with pytest.raises(LoadError, match=message):
        is_whole(answer, 4)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (99.9, 100.0), (1, 1.0), (0, 1.0)])
def test_percentile(percent: float, expected: float) -> None:
    """The nearest rank: so many of a hundred requests were at least as fast."""
    assert Latencies([number * 1000 for number in range(1, 101)]).percentile(percent) == expected
