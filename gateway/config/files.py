"""Reads regular files of bounded size, never waits for one, and writes their names and faults as text."""

import os
import stat
from pathlib import Path


def read_regular(path: str | Path, limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes. Raises OSError, or ValueError for any other file."""
    with open(path, "rb", opener=_open) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"larger than {limit} bytes")
    return content


def reason(error: Exception) -> str:
    """Why ``read_regular`` failed, without the path."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def shown(path: str | Path) -> str:
    r"""A path as text that can be written anywhere: bytes in it that are not UTF-8 are written as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # without it, opening a FIFO would wait for its writer
