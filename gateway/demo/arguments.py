"""The command line of a sample service, and the line in which it says that it serves."""

import argparse
from dataclasses import dataclass

from gateway.demo.lifeline import end_with


@dataclass(frozen=True, slots=True)
class Arguments:
    """What an instance is called and where it listens; port 0 is a free one."""

    name: str
    port: int


def parse_arguments(program: str) -> Arguments:
    """Reads ``--name --port --demo``; with ``--demo PID`` the process ends when that one does."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--demo", type=int, metavar="PID")
    parsed = parser.parse_args()
    if parsed.demo is not None:
        end_with(parsed.demo)
    return Arguments(parsed.name, parsed.port)


def announce(port: int) -> None:
    """Tells whoever started the instance on which port it serves."""
    print(port, flush=True)
