"""The pid file."""

import os
from pathlib import Path

import pytest

from gateway.supervisor.failure import StartError
from gateway.supervisor.pidfile import pid_file


def test_it_holds_the_pid_while_the_gateway_lives(tmp_path: Path) -> None:
    """It replaces an old file, leaves no draft behind, and is gone afterwards."""
    path = tmp_path / "gateway.pid"
    path.write_text("old")
    with pid_file(path):
        assert path.read_text() == f"{os.getpid()}\n"
        assert list(tmp_path.iterdir()) == [path]
    assert not path.exists()


def test_the_file_of_another_gateway_stays(tmp_path: Path) -> None:
    """A successor that has taken the path over keeps it."""
    path = tmp_path / "gateway.pid"
    with pid_file(path):
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_a_place_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    """An operator's mistake: StartError with the path and the reason."""
    path = tmp_path / "nowhere" / "gateway.pid"
    with pytest.raises(StartError, match=f"{path}: no such file or directory"), pid_file(path):
        pytest.fail("the gateway must not start")


def test_no_path_means_no_file(tmp_path: Path) -> None:
    """Without the option nothing is written."""
    with pid_file(None):
        assert list(tmp_path.iterdir()) == []
