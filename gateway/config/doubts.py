"""What a configuration says that is right and yet hardly meant: it is told, and not refused."""

from collections.abc import Iterator

from gateway.config.cors import OPAQUE
from gateway.config.findings import Finding
from gateway.config.schema import Config, Cors, Fault, Route


def doubts(config: Config) -> Iterator[Finding]:
    """Everything that its writer should know of a configuration that is in force."""
    for index, route in enumerate(config.routes):
        if route.cors is not None:
            yield from _opaque_origins(route.cors, index)
            yield from _unseen_preflights(route, index)
        if route.fault is not None:
            yield from _hitting_faults(route.fault, index)


def _opaque_origins(cors: Cors, index: int) -> Iterator[Finding]:
    """Any page can have a frame without an origin, and have that ask."""
    for number, origin in enumerate(cors.origins):
        if origin == OPAQUE:
            yield Finding(
                ("routes", index, "cors", "origins", number),
                "every page of every origin can be one that has none, in a sandbox for instance",
            )


def _unseen_preflights(route: Route, index: int) -> Iterator[Finding]:
    """Browsers send preflights without credentials, and without the fields that the request itself will have."""
    for key, tests in (("headers", route.headers), ("cookies", route.cookies)):
        for name, test in (tests or {}).items():
            if test is not False:
                yield Finding(
                    ("routes", index, key, name),
                    "no preflight has it: those of this route get to another one, or to none",
                )


def _hitting_faults(fault: Fault, index: int) -> Iterator[Finding]:
    """They are for tests; those that are only prepared hit nobody."""
    if fault.hits:
        yield Finding(("routes", index, "fault"), "faults are injected into requests")
