"""What the gateway demands of the machine."""

import pytest

from gateway.supervisor.failure import StartError
from gateway.supervisor.machine import require_uvloop


@pytest.mark.parametrize("version", ["0.22.1", "0.9.0", "0.22"])
def test_an_event_loop_that_mixes_connections_is_refused(version: str) -> None:
    """The message names the version found and the one needed."""
    with pytest.raises(StartError, match=rf"uvloop {version} is too old.*0\.23"):
        require_uvloop(version)


@pytest.mark.parametrize("version", ["0.23.0", "0.100.0", "1.0.0", "0.23.0b1"])
def test_a_newer_one_is_taken(version: str) -> None:
    """Versions are compared as numbers."""
    require_uvloop(version)
