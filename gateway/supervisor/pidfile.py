"""The file that holds the supervisor's pid for as long as it lives."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.supervisor.failure import StartError


@contextlib.contextmanager
def pid_file(path: Path | None) -> Iterator[None]:
    """Writes the file in one step, so that no reader sees half a number, and removes it if it is still ours."""
    if path is None:
        yield
        return
    content = f"{os.getpid()}\n"
    _write(path, content)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_text() == content:
                path.unlink()


def _write(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(content)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise StartError(
            f"cannot write the pid file {path}: {(error.strerror or str(error)).lower()}"
        ) from None
