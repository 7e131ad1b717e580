"""A log that cannot be written is noticed before the gateway starts."""

import os
from pathlib import Path

import pytest

from gateway.supervisor.access_log import require_writable
from gateway.supervisor.failure import StartError


@pytest.mark.parametrize("target", ["off", "stdout"])
def test_what_is_no_file_needs_none(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of that name comes about."""
    monkeypatch.chdir(tmp_path)
    require_writable(target)
    assert not list(tmp_path.iterdir())


def test_a_file_is_created_and_one_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    """The check adds nothing to the log."""
    path = tmp_path / "log"
    require_writable(str(path))
    assert path.read_bytes() == b""
    path.write_bytes(b"line\n")
    require_writable(str(path))
    assert path.read_bytes() == b"line\n"


def test_what_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    """A missing folder, a folder, and a named pipe that nobody reads: one line each, and no waiting."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, reason in (
        (tmp_path / "no" / "log", "no such file or directory"),
        (tmp_path, "is a directory"),
        (fifo, "no such device or address"),
    ):
        with pytest.raises(StartError) as caught:
            require_writable(str(path))
        assert str(caught.value) == f"cannot write the access log {path}: {reason}"
