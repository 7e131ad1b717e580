"""Programs under callgrind (valgrind): their command, the profiles of their phases, and what a profile says.

A profile counts instructions in user space. The kernel's part of a request, most of its time, is not in it.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(c?ob|c?fn|fl|fi|fe|cfi|cfl)=\((\d+)\)(?: (.*))?")
"""A position line: its kind, the number of the name, and the name itself where it comes for the first time."""
_KINDS = {"ob": "object", "cob": "object", "fn": "function", "cfn": "function"}
"""Callers and callees share their numbers; every other kind is a file."""
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_DEPTH = re.compile(r"'\d+$")
"""What callgrind adds to the name of a function that is called within itself."""
_CONTROL_SECONDS = 60.0


class CallgrindError(Exception):
    """A program under callgrind did not do what it was asked for."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Instructions by (object file, function), each without those of the functions it calls."""

    costs: Mapping[tuple[str, str], float]

    @property
    def total(self) -> float:
        """All instructions."""
        return sum(self.costs.values())

    def by_object(self) -> dict[str, float]:
        """Instructions by the program or library that they stand in, most first."""
        objects: dict[str, float] = {}
        for (name, _), cost in self.costs.items():
            objects[name] = objects.get(name, 0) + cost
        return dict(sorted(objects.items(), key=lambda item: -item[1]))

    def functions(self, most: int) -> list[tuple[str, str, float]]:
        """The dearest functions as (object file, function, instructions)."""
        ranked = sorted(self.costs.items(), key=lambda item: -item[1])
        return [(name, function, cost) for (name, function), cost in ranked[:most]]

    def per(self, count: float) -> "Profile":
        """The share of one of ``count`` equal parts."""
        return Profile({place: cost / count for place, cost in self.costs.items()})

    def without(self, other: "Profile") -> "Profile":
        """What is left when another profile is taken off."""
        places = self.costs.keys() | other.costs.keys()
        return Profile({place: self.costs.get(place, 0) - other.costs.get(place, 0) for place in places})


def parse(lines: Iterable[str]) -> Profile:
    """Reads callgrind's format (valgrind manual, "Callgrind Format Specification"), one event, names compressed."""
    names: dict[tuple[str, str], str] = {}
    costs: Counter[tuple[str, str]] = Counter()
    place, of_callee = {"object": "?", "function": "?"}, False
    for line in lines:
        if found := _NAME.match(line):
            kind, number, name = found.groups()
            known = (_KINDS.get(kind, "file"), number)
            if name is not None:
                names[known] = name
            if kind in {"ob", "fn"}:
                place[known[0]] = names[known]
        elif line.startswith("calls="):
            of_callee = True  # the next line is what the callee took, which counts there
        elif line[:1] in "+-*0123456789":
            _, _, cost = line.strip().partition(" ")
            if not of_callee and cost:
                costs[Path(place["object"]).name, _named(place["function"])] += int(cost)
            of_callee = False
    return Profile(dict(costs))


def _named(function: str) -> str:
    """A stub without a name is called by its address, which differs from run to run."""
    return "(unnamed)" if _ADDRESS.fullmatch(function) else _DEPTH.sub("", function)


def command(program: Sequence[str], output: Path) -> list[str]:
    """The program under callgrind. Its profile goes to ``output``, that of its n-th phase to ``output.n``."""
    log = output.with_suffix(".log")
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", f"--log-file={log}", *program]


def run(program: Sequence[str], output: Path) -> Profile:
    """The profile of a program from its start to its end. Raises CallgrindError."""
    done = subprocess.run(command(program, output), capture_output=True, text=True, check=False)
    if done.returncode:
        raise CallgrindError(f"{' '.join(program)} failed: {done.stderr}")
    return _read(output)


def end_phase(pid: int, output: Path, phase: int) -> Profile:
    """Has a running program write the profile of a phase, counted from 1, and counts anew. Raises CallgrindError."""
    done = subprocess.run(
        ["callgrind_control", "--dump", str(pid)],
        capture_output=True,
        text=True,
        timeout=_CONTROL_SECONDS,
        check=False,
    )
    written = output.with_name(f"{output.name}.{phase}")
    if not written.exists():
        raise CallgrindError(f"process {pid} wrote no profile: {done.stdout}{done.stderr}")
    return _read(written)


def _read(written: Path) -> Profile:
    with written.open(errors="replace") as profile:
        return parse(profile)
