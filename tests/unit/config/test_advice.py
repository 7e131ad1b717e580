"""What a right configuration is warned of."""

import pytest

from gateway.config.advice import warnings_of
from gateway.config.load import parse


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
    """By the name of the route; not those that are only prepared."""
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
    expected = ["the route all injects faults into its requests"] if warned else []
    assert list(warnings_of(parse(text, "test", {}))) == expected
