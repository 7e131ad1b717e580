"""What may be changed in a configuration, and to which values: a row for each knob. Pure."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gateway.benchmark.load import LoadError
from gateway.config.paths import KeyPath, dotted
from gateway.config.schema import FAILURE_STATUSES, Config, RetryBudget
from gateway.config.suggest import did_you_mean
from gateway.config.units import Duration
from gateway.model import Balance

QUEUE_SIZES = (8, 65_535)
"""Between these a queue is tried: a shorter one is hardly any, a longer one there is not."""
WHOLE_PERCENT = 100
SERVER_FAILURES = [500, 502, 503, 504]
"""Statuses that say that an instance is in trouble, not that the request is wrong."""
AFFINITY = (Balance.HASH, Balance.STICKY)
"""Where it matters to which instance a request goes."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key of the file and its other value."""

    path: KeyPath
    value: Any
    """As TOML has it."""
    before: Any
    """The value that holds now, written or by default."""


@dataclass(frozen=True, slots=True)
class Variation:
    """Another value for one thing that can be chosen; of several keys where these belong together."""

    knob: str
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """What is changed, and to what."""
        first = self.changes[0]
        others = f" (and {len(self.changes) - 1} more)" if len(self.changes) > 1 else ""
        return f"{dotted(first.path)} = {_written(first.value)}{others}"

    @property
    def place(self) -> tuple[KeyPath, ...]:
        """What is changed: variations of the same place exclude each other."""
        return tuple(change.path for change in self.changes)

    @property
    def story(self) -> str:
        """From what to what."""
        first = self.changes[0]
        return f"{dotted(first.path)}: {_written(first.before)} → {_written(first.value)}"

    def apply(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with it."""
        changed = copy.deepcopy(dict(tables))
        for change in self.changes:
            put(changed, change.path, change.value)
        return changed


@dataclass(frozen=True, slots=True)
class Machine:
    """What the values depend on."""

    cpus: int


Values = Callable[[Config, Machine], Iterator[tuple[Change, ...]]]


@dataclass(frozen=True, slots=True)
class Knob:
    """Something that can be chosen."""

    name: str
    about: str
    usual: bool
    """Tried without being named: nothing that clients could notice but by its speed depends on it."""
    values: Values


def put(tables: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Sets a key, and makes the tables on the way to it."""
    table: Any = tables
    for key, following in pairwise(path):
        if isinstance(table, list):
            table = table[int(key)]
        else:
            table = table.setdefault(key, [] if isinstance(following, int) else {})
    table[path[-1]] = value


def _workers(config: Config, machine: Machine) -> Iterator[tuple[Change, ...]]:
    now = config.gateway.worker_count(machine.cpus)
    for count in sorted({1, max(1, machine.cpus // 2), machine.cpus} - {now}):
        yield (Change(("gateway", "workers"), count, config.gateway.workers),)


def _balance(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    """Where requests may go anywhere; which of them belong together is the user's to know."""
    for name, service in config.services.items():
        if len(service.instances) > 1 and service.balance not in AFFINITY:
            for balance in Balance:
                if balance not in (service.balance, *AFFINITY):
                    yield (Change(("services", name, "balance"), str(balance), str(service.balance)),)


def _pool(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    for name, service in config.services.items():
        for size in (64, 512):
            if not service.max_idle / 2 <= size <= service.max_idle * 2:
                yield (Change(("services", name, "max_idle"), size, service.max_idle),)


def _pending(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    for name, service in config.services.items():
        for most in (16, 128, 1024):
            if most != service.max_pending:
                yield (Change(("services", name, "max_pending"), most, service.max_pending),)


def _retries(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    """One number for all routes: which of them need another is the user's to know."""
    now = {route.retry.attempts for route in config.routes}
    for attempts in (0, 2):
        if now != {attempts}:
            yield tuple(
                Change(("routes", index, "retry", "attempts"), attempts, route.retry.attempts)
                for index, route in enumerate(config.routes)
                if route.retry.attempts != attempts
            )


def _queue(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    """Where requests can wait for something: whether they do, how many of them and for how long."""
    for name, service in config.services.items():
        path: KeyPath = ("services", name, "queue")
        if service.queue is None:
            if all(instance.max_in_flight is not None for instance in service.instances):
                yield (Change(path, {"size": 100, "timeout": "1s"}, None),)
            continue
        for size in (service.queue.size // 4, service.queue.size * 4):
            if QUEUE_SIZES[0] <= size <= QUEUE_SIZES[1]:
                yield (Change((*path, "size"), size, service.queue.size),)
        for text in ("100ms", "1s", "5s"):
            if Duration.parse(text) != service.queue.timeout:
                yield (Change((*path, "timeout"), text, str(service.queue.timeout)),)


def _budget(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    """The share of requests that may be sent again; how often each may be is another knob."""
    if not any(route.retry.attempts for route in config.routes):
        return
    usual = RetryBudget().share.percent
    for name, service in config.services.items():
        path: KeyPath = ("services", name, "retry_budget")
        if service.retry_budget is None:
            yield (Change(path, {"share": f"{usual}%"}, False),)
            continue
        share = service.retry_budget.share
        for percent in sorted({share.percent // 2, share.percent * 2, usual} - {share.percent}):
            if 1 <= percent <= WHOLE_PERCENT:
                yield (Change((*path, "share"), f"{percent}%", str(share)),)


def _ejection(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    for name, service in config.services.items():
        if len(service.instances) > 1 and (service.passive is None or not service.passive.statuses):
            assert set(SERVER_FAILURES) <= set(FAILURE_STATUSES)
            path: KeyPath = ("services", name, "passive")
            if service.passive is None:
                yield (Change(path, {"statuses": SERVER_FAILURES}, False),)
            else:
                yield (Change((*path, "statuses"), SERVER_FAILURES, []),)


def _timeouts(config: Config, _: Machine) -> Iterator[tuple[Change, ...]]:
    for name, service in config.services.items():
        for key, tried in (("connect", ("250ms", "1s")), ("first_byte", ("1s", "5s"))):
            now: Duration = getattr(service.timeouts, key)
            for text in tried:
                if Duration.parse(text) < now:
                    yield (Change(("services", name, "timeouts", key), text, str(now)),)


KNOBS = {
    knob.name: knob
    for knob in (
        Knob("balance", "how a service's next instance is chosen", True, _balance),
        Knob("pool", "idle connections kept to an instance", True, _pool),
        Knob("workers", "worker processes", True, _workers),
        Knob("ejection", "whether answers with a server error eject an instance", True, _ejection),
        Knob("retries", "extra tries when an instance fails", True, _retries),
        Knob("queue", "whether, and for how long, requests wait for an instance with room", False, _queue),
        Knob("budget", "retries at a service in proportion to its requests", False, _budget),
        Knob("pending", "connections under way to an instance", False, _pending),
        Knob("timeouts", "how long to wait for connections and first bytes", False, _timeouts),
    )
}
"""In the order in which they are tried when there is no time for all."""


def variations(
    config: Config, machine: Machine, only: Sequence[str] = (), *, every: bool = False
) -> list[Variation]:
    """What to try: the usual knobs, those named, or every one. Raises LoadError for an unknown name."""
    for name in only:
        if name not in KNOBS:
            hint = did_you_mean(name, KNOBS)
            raise LoadError(f"there is no knob {name!r} {hint}".rstrip() + f" (known: {', '.join(KNOBS)})")
    chosen = [knob for knob in KNOBS.values() if (knob.name in only if only else every or knob.usual)]
    return [
        Variation(knob.name, changes)
        for knob in chosen
        for changes in knob.values(config, machine)
        if changes
    ]


def combined(parts: Sequence[Variation]) -> Variation:
    """Several changes at once."""
    return Variation("together", tuple(change for part in parts for change in part.changes))


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case dict():
            return "{ " + ", ".join(f"{key} = {_written(one)}" for key, one in value.items()) + " }"
        case None:
            return "none"
        case _:
            return str(value)
