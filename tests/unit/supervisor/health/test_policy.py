"""How probes turn an instance healthy and unhealthy: sequences of results, with the health after each."""

import pytest

from gateway.model import Health
from gateway.supervisor.health.policy import Outcome, Standing, Thresholds, judge

LETTERS = {Health.UNKNOWN: "?", Health.HEALTHY: "h", Health.UNHEALTHY: "u"}


@pytest.mark.parametrize(
    ("fall", "rise", "results", "health"),
    [
        (3, 2, "+", "h"),
        (3, 2, "-", "u"),
        (3, 2, "+---", "hhhu"),
        (3, 2, "+--+--+", "hhhhhhh"),
        (3, 2, "+--+---", "hhhhhhu"),
        (3, 2, "-++", "uuh"),
        (3, 2, "-+-+-+", "uuuuuu"),
        (3, 2, "-++---++", "uuhhhuuh"),
        (1, 1, "+-+-", "huhu"),
        (2, 3, "+--+++", "hhuuuh"),
    ],
)
def test_a_sequence_of_results(fall: int, rise: int, results: str, health: str) -> None:
    """The first result decides alone; later only an unbroken row of them as long as the threshold does."""
    standing, seen = Standing(), ""
    for result in results:
        outcome = Outcome.PASSED if result == "+" else Outcome.FAILED
        standing = judge(standing, outcome, Thresholds(fall, rise))
        seen += LETTERS[standing.health]
    assert seen == health
