"""Makes editions: a configuration with everything that is derived from it before anything is touched.

An edition that exists can be applied: whatever may refuse it on paper has been asked. Making one takes no lock and
shares nothing, so a large file is read and compiled on a thread while the gateway goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.config.compile import compile_snapshot
from gateway.config.diff import Changes, diff, fixed_settings
from gateway.config.doubts import doubts
from gateway.config.files import shown
from gateway.config.findings import Finding
from gateway.config.load import load
from gateway.config.overrides import Overrides, contradictions, described, overridden
from gateway.config.paths import dotted
from gateway.config.schema import Config, Listen
from gateway.errors import ConfigErrors, Mistake
from gateway.model import AddressKind, Labels, labels_of
from gateway.supervisor.cluster.bucket import SharedLimit
from gateway.supervisor.cluster.membership import shared_limits
from gateway.supervisor.rows import ALL, NoRowError, Rows
from gateway.supervisor.telemetry.metrics import Legend

NO_CHANGES = Changes()
NO_OVERRIDES = Overrides()
FIRST_EPOCH = 1  # 0 is what a lane holds before it has seen any


@dataclass(frozen=True, slots=True)
class Edition:
    """One configuration in force, or about to be."""

    epoch: int
    written: Config
    """As the file has it."""
    config: Config
    """With what operators have put in its place."""
    rows: Rows
    retired: Mapping[str, Listen]
    """Listeners of earlier editions, by name and as they were last: connections may still be theirs."""
    head: Mapping[str, Any]
    blob: bytes
    """The snapshot, as the workers get it."""
    legend: Legend
    shared: Mapping[int, SharedLimit]
    """The limits that gateways share, by their rows."""
    changes: Changes = NO_CHANGES
    """From the edition before."""
    doubts: tuple[Mistake, ...] = ()
    """What of it is right and yet hardly meant, by its places in the file."""

    def idle_subsets(self) -> dict[str, frozenset[Labels]]:
        """By service the subsets that have a row and no route; () is the whole service."""
        used = {
            (service, labels_of(route.subset or {}))
            for route in self.config.routes
            for service in self.config.services_of(route)
        }
        used |= {(route.mirror.service, ALL) for route in self.config.routes if route.mirror is not None}
        return {
            service: frozenset(labels for labels in rows if (service, labels) not in used)
            for service, rows in self.rows.banks().items()
        }


def first_edition(config: Config, rows: Rows) -> Edition:
    """What a gateway starts with. Raises NoRowError when the rows were made for another configuration."""
    return _edition(config, NO_OVERRIDES, FIRST_EPOCH, rows, {})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a running gateway cannot exceed, beside the rows of its tables."""

    workers: int
    cpus: int
    compiles: Callable[[bytes], object]
    """The engine's judgement of a snapshot; raises ValueError."""


def next_edition(
    file: Path, environ: Mapping[str, str], running: Edition, bounds: Bounds, overrides: Overrides
) -> Edition:
    """The edition that a file makes of the running one. Raises ConfigErrors with every reason against it."""
    rows = running.rows.copy()
    made: list[Edition] = []

    def judge(config: Config) -> Iterator[Finding]:
        yield from fixed_settings(running.config, config)
        yield from _new_descriptors(running, config)
        yield from _too_many_workers(config, bounds)
        yield from _contradicted(config, overrides)
        known = {listen.name: listen for listen in running.config.listen}
        retired = {**running.retired, **known}
        for listen in config.listen:
            retired.pop(listen.name, None)
        try:
            made.append(_edition(config, overrides, running.epoch + 1, rows, retired, before=running.config))
        except NoRowError as error:
            yield Finding((error.key,), f"too many for the running gateway: {error}")

    def in_force(_: Config) -> Iterator[Finding]:
        return doubts(made[0].config)

    heard: list[Mistake] = []
    load(file, environ, judge, heard.append, doubting=in_force)
    return _judged(replace(made[0], doubts=tuple(heard)), bounds, shown(file))


def same_edition(running: Edition, bounds: Bounds, overrides: Overrides) -> Edition:
    """The running edition with other overrides. Raises ConfigErrors."""
    wrong = [described(one.setting, one.reason) for one in contradictions(running.written, overrides)]
    if wrong:
        raise ConfigErrors("", wrong)
    made = _edition(
        running.written,
        overrides,
        running.epoch + 1,
        running.rows.copy(),
        running.retired,
        before=running.config,
    )
    return _judged(made, bounds, "")


def _judged(edition: Edition, bounds: Bounds, name: str) -> Edition:
    try:
        bounds.compiles(edition.blob)
    except ValueError as error:
        raise ConfigErrors(name, [Mistake(f"the engine refuses it: {error}")]) from None
    return edition


def _edition(
    written: Config,
    overrides: Overrides,
    epoch: int,
    rows: Rows,
    retired: Mapping[str, Listen],
    *,
    before: Config | None = None,
) -> Edition:
    config = overridden(written, overrides)
    changes = NO_CHANGES if before is None else diff(before, config)
    head, blob = compile_snapshot(config, epoch, rows, retired.values())
    queued = frozenset(name for name, service in config.services.items() if service.queue is not None)
    legend = Legend(rows.requests(), rows.mirrors(), rows.limits(), rows.services(), queued)
    shared = shared_limits(config, rows.limit_row)
    return Edition(epoch, written, config, rows, retired, head, blob, legend, shared, changes)


def _new_descriptors(running: Edition, config: Config) -> Iterator[Finding]:
    """A descriptor that was not named at the start may be anything by now, a client's connection for instance."""
    known = {listen.address for listen in (*running.config.listen, *running.retired.values())}
    for index, listen in enumerate(config.listen):
        if listen.address.kind is AddressKind.FD and listen.address not in known:
            yield Finding(
                ("listen", index, "address"), "an inherited descriptor can be added by a restart only"
            )


def _contradicted(config: Config, overrides: Overrides) -> Iterator[Finding]:
    """What is right by itself may not be with the values that are in force instead."""
    for one in contradictions(config, overrides):
        yield Finding(one.place, f"with the override of {dotted(one.setting)}: {one.reason}")


def _too_many_workers(config: Config, bounds: Bounds) -> Iterator[Finding]:
    if config.gateway.worker_count(bounds.cpus) > bounds.workers:
        message = f"too many for the running gateway: it has lanes for {bounds.workers}; a restart makes room"
        yield Finding(("gateway", "workers"), message)
