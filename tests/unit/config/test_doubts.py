"""What is right in a configuration and yet told; of CORS in its own tests."""

import pytest

from gateway.config.load import parse
from gateway.errors import Mistake


@pytest.mark.parametrize(
    ("fault", "warned"),
    [
        ("", False),
        ("fault = { abort = 503 }", True),
        ('fault = { delay = "1s", delay_percent = 1 }', True),
        ('fault = { delay = "1s", delay_percent = 0, abort = 503, abort_percent = 1 }', True),
        ('fault = { delay = "1s", delay_percent = 0, abort = 503, abort_percent = 0 }', False),
        ("fault = { abort = 503, abort_percent = 0 }", False),
    ],
)
def test_faults_that_hit_somebody_are_warned_of(fault: str, *, warned: bool) -> None:
    """By their place; not those that are only prepared."""
    text = f"""
        [[listen]]
        address = "127.0.0.1:80"
        [services.api]
        instances = ["a:1"]
        [[routes]]
        service = "api"
        name = "all"
        {fault}
        """
    doubts: list[Mistake] = []
    parse(text, "test", {}, heed=doubts.append)
    assert [doubt.path for doubt in doubts] == (["routes[0].fault"] if warned else [])
