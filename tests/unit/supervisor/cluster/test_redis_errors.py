"""The log has our own words for what a server says."""

import pytest
from redis import exceptions

from gateway.supervisor.cluster.redis_errors import FAILURES, words

SAID = "open-sesame"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (exceptions.ResponseError, "it refuses a command"),
        (exceptions.AuthenticationError, "it refuses the user name or the password"),
        (exceptions.NoPermissionError, "the user may not run the commands that are needed"),
        (exceptions.MasterDownError, "the cluster is down"),
        (exceptions.RedisClusterException, "no server of the cluster says where all slots are"),
        (exceptions.InvalidResponse, "it does not speak as Redis does"),
        (exceptions.ConnectionError, "no connection"),
        (exceptions.TimeoutError, "no answer in time"),
        (TimeoutError, "no answer in time"),
        (ValueError, "it answers with something else than numbers"),
    ],
)
def test_a_server_is_never_quoted(kind: type[Exception], said: str) -> None:
    """Whatever it says, and to whichever question."""
    assert words(kind(SAID)) == said
    assert issubclass(kind, FAILURES)


def test_all_that_the_client_raises_has_words() -> None:
    """None falls back to its own name."""
    kinds = [
        kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, FAILURES)
    ]
    assert len(kinds) > 30
    for kind in kinds:
        assert words(kind.__new__(kind, SAID)) not in {SAID, kind.__name__}


def test_what_the_system_knows_is_said() -> None:
    """By its number; the words that came with it may be anybody's."""
    error = exceptions.ConnectionError(SAID)
    error.__context__ = ConnectionRefusedError(111, SAID)
    assert words(error) == "no connection: Connection refused"
