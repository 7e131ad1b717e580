"""Values that an operator has put in place of the file's while the gateway runs: pure, by the path of what they change.

Rates and bursts of limits, the weights of splits, shares of injected faults and maintenance change the configuration; weights and states change instances, wherever a
service found them.
Everything else is the file's alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config.draft import Part, adapter
from gateway.config.paths import KeyPath, dotted
from gateway.config.rules import broken_rules_of_limit
from gateway.config.schema import Config, Fault, Instance, Limit, Maintenance, Route, Service, Side
from gateway.config.splits import weights_with
from gateway.config.suggest import did_you_mean
from gateway.errors import ConfigErrors, InvalidValueError, Mistake
from gateway.model import InstanceAddress

Path = tuple[str, ...]
"""Keys from the root, such as ``("routes", "checkout", "limit", "rate")``; routes and limits stand by their names."""
Settings = Mapping[Path, Any]
"""Raw values by their paths."""

LIMIT_KEYS = ("rate", "burst")
WEIGHT, STATE = "weight", "state"
INSTANCE_KEYS = (WEIGHT, STATE)
FAULT_KEYS = ("abort_percent", "delay_percent")
MAINTENANCE = "maintenance"
KEYS = (*LIMIT_KEYS, *INSTANCE_KEYS, *FAULT_KEYS, MAINTENANCE)
DEPTH = 5
"""Steps of the longest path."""
SWITCH = {"on": True, "off": False}
"""What maintenance may be set to."""
STATES = ENABLED, DISABLED = "enabled", "disabled"
MAX_SETTINGS = 1000
"""Overrides at the same time: what is changed in so many places belongs into the file."""
SHARED = 'all gateways count by the same rate and burst with scope = "cluster": change the file of each'
"""Why such a limit has no overrides: its one bucket in Redis would go by several rates."""

FORMS = (
    "routes.NAME.limit.rate, …limit.burst, routes.NAME.split.SERVICE, routes.NAME.fault.abort_percent, …fault.delay_percent, "
    "routes.NAME.maintenance, services.NAME.maintenance, services.NAME.instances.ADDRESS.weight or ….state"
)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is different about one instance."""

    weight: int | None = None
    """In place of the configured one."""
    disabled: bool = False
    """It gets no new requests."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Settings that have been read: each has a place that exists in principle, and a value that may stand there."""

    settings: Settings = field(default_factory=dict)
    limits: Mapping[tuple[str, str | None], Mapping[str, Any]] = field(default_factory=dict)
    """Sound values, as they were written, by their keys and by the names of route and limit; no name: the route's only one."""
    splits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Weights by the names of route and service."""
    faults: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Shares of injected faults by the name of the route and their keys."""
    maintenance: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    """Whether it is under way, by ``routes`` or ``services`` and the name."""
    instances: Mapping[str, Mapping[InstanceAddress, Adjustment]] = field(default_factory=dict)
    """Adjustments by service and address."""

    def configure_as(self, other: "Overrides") -> bool:
        """Do both make the same configuration of any?"""
        own, others = ((one.limits, one.splits, one.faults, one.maintenance) for one in (self, other))
        return own == others


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A setting that leaves a limit with values which no file could give it."""

    setting: Path
    place: KeyPath
    """Of the limit in the file."""
    reason: str


def patched(settings: Settings, patch: object) -> dict[Path, Any]:
    """The settings after a JSON Merge Patch (RFC 7396) of the tables they would stand in. Raises ConfigErrors."""
    if not isinstance(patch, dict):
        raise _wrong((), "expected an object")
    changed = dict(settings)
    for path, value in _leaves(patch, ()):
        if value is None:
            for known in [known for known in changed if known[: len(path)] == path]:
                del changed[known]
        else:
            changed[path] = value
    if len(changed) > MAX_SETTINGS:
        raise _wrong((), f"at most {MAX_SETTINGS} overrides")
    return changed


def read(settings: Settings) -> Overrides:
    """Reads every path and every value. Raises ConfigErrors with all that are wrong."""
    limits: dict[tuple[str, str | None], dict[str, Any]] = {}
    splits: dict[str, dict[str, int]] = {}
    faults: dict[str, dict[str, int]] = {}
    maintenance: dict[tuple[str, str], bool] = {}
    instances: dict[str, dict[InstanceAddress, Adjustment]] = {}
    mistakes: list[Mistake] = []
    for path, raw in settings.items():
        try:
            match path:
                case ("routes", route, "limit", *limit, key) if key in LIMIT_KEYS and len(limit) < 2:
                    values = limits.setdefault((route, limit[0] if limit else None), {})
                    values[key] = _sound(Limit, key, raw)
                case ("routes", route, "split", service):
                    splits.setdefault(route, {})[service] = _value(Side, WEIGHT, raw)
                case ("routes", route, "fault", key) if key in FAULT_KEYS:
                    faults.setdefault(route, {})[key] = _value(Fault, key, raw)
                case (("routes" | "services") as kind, name, "maintenance"):
                    maintenance[kind, name] = _switched(raw)
                case ("services", service, "instances", address, key) if key in INSTANCE_KEYS:
                    adjustments = instances.setdefault(service, {})
                    where: InstanceAddress = _value(Instance, "address", address)
                    adjustments[where] = _adjusted(adjustments.get(where, Adjustment()), key, raw)
                case _:
                    mistakes.append(_mistake(path, f"expected {FORMS}", did_you_mean(path[-1], KEYS)))
        except InvalidValueError as error:
            mistakes.append(_mistake(path, f"expected {error.expected}", error.hint))
    if mistakes:
        raise ConfigErrors("", mistakes)
    return Overrides(settings, limits, splits, faults, maintenance, instances)


def overridden(config: Config, overrides: Overrides) -> Config:
    """The configuration with the rates, bursts, weights, shares and maintenance that are in force instead; what has no place in it has no effect."""
    if overrides.configure_as(Overrides()):
        return config
    routes = tuple(_overridden(route, overrides) for route in config.routes)
    services = {
        name: service.model_copy(update=_maintained("services", name, service, overrides))
        for name, service in config.services.items()
    }
    return config.model_copy(update={"routes": routes, "services": services})


def without_place(config: Config, overrides: Overrides) -> Iterator[tuple[Path, str]]:
    """The settings that a configuration has no route, limit or service for, each with the reason."""
    routes = {route.name: route for route in config.routes}
    for path in overrides.settings:
        kind, name, *rest = path
        known: Iterable[str] = routes if kind == "routes" else config.services
        if name not in known:
            yield path, _unknown(f"no {kind.removesuffix('s')}", name, known)
        elif kind == "routes" and rest[0] == "split":
            if reason := _no_side(routes[name], rest[1], overrides.splits[name]):
                yield path, reason
        elif kind == "routes" and rest[0] == "fault":
            if reason := _no_fault(routes[name], rest[1]):
                yield path, reason
        elif kind == "routes" and rest[0] == "limit" and (reason := _no_limit(routes[name], rest[1:-1])):
            yield path, reason


def contradictions(config: Config, overrides: Overrides) -> Iterator[Contradiction]:
    """The settings that break a rule between the keys of a limit, which they share with the values of a file."""
    for number, route in enumerate(config.routes):
        for index, limit in enumerate(route.limit):
            values = _values_for(route, limit, overrides)
            if not values:
                continue
            place: KeyPath = ("routes", number, "limit", index)
            for finding in broken_rules_of_limit(Part(Limit, _written(limit, values), place)):
                key = str(finding.path[-1])
                reason = finding.message if key in LIMIT_KEYS else f"{key}: {finding.message}"
                yield Contradiction(_setting_of(route, limit, overrides), place, reason)


def described(path: Path, reason: str) -> Mistake:
    """The mistake of a setting that has no place."""
    return _mistake(path, reason)


def _leaves(table: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and len(path) < DEPTH:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _sound(model: type[BaseModel], key: str, raw: Any) -> Any:
    """The raw value, if the model can read it. Raises InvalidValueError."""
    _value(model, key, raw)
    return raw


def _value(model: type[BaseModel], key: str, raw: Any) -> Any:
    """What a key of the model reads. Raises InvalidValueError."""
    try:
        return adapter(model, key).validate_python(raw)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        found = detail.get("ctx", {}).get("error")
        raise found if isinstance(found, InvalidValueError) else InvalidValueError(detail["msg"]) from None


def _adjusted(adjustment: Adjustment, key: str, raw: Any) -> Adjustment:
    if key == WEIGHT:
        return replace(adjustment, weight=_value(Instance, WEIGHT, raw))
    if raw not in STATES:
        raise InvalidValueError(" or ".join(f'"{state}"' for state in STATES), did_you_mean(str(raw), STATES))
    return replace(adjustment, disabled=raw == DISABLED)


def _switched(raw: Any) -> bool:
    """Raises InvalidValueError."""
    if isinstance(raw, bool):
        return raw
    if raw not in SWITCH:
        raise InvalidValueError(" or ".join(f'"{word}"' for word in SWITCH), did_you_mean(str(raw), SWITCH))
    return SWITCH[raw]


def _overridden(route: Route, overrides: Overrides) -> Route:
    limits = tuple(_limit(limit, _values_for(route, limit, overrides)) for limit in route.limit)
    return route.model_copy(
        update={
            "limit": limits,
            "split": _split(route.split, overrides.splits.get(route.name, {})),
            "fault": route.fault and route.fault.model_copy(update=overrides.faults.get(route.name, {})),
            **_maintained("routes", route.name, route, overrides),
        }
    )


def _maintained(kind: str, name: str, owner: Route | Service, overrides: Overrides) -> dict[str, Maintenance]:
    """The maintenance of a route or service, where it is switched on or off: all else about it is the file's."""
    on = overrides.maintenance.get((kind, name))
    if on is None:
        return {}
    return {MAINTENANCE: (owner.maintenance or Maintenance()).model_copy(update={"on": on})}


def _split(sides: tuple[Side, ...], chosen: Mapping[str, int]) -> tuple[Side, ...]:
    """The sides with what is set of their weights, if that makes a whole."""
    written = {side.service: side.weight for side in sides}
    try:
        weights = weights_with(written, _known(written, chosen))
    except ValueError:
        return sides
    return tuple(side.model_copy(update={"weight": weights[side.service]}) for side in sides)


def _known(written: Mapping[str, int], chosen: Mapping[str, int]) -> dict[str, int]:
    """Those of the sides that there are."""
    return {side: weight for side, weight in chosen.items() if side in written}


def _values_for(route: Route, limit: Limit, overrides: Overrides) -> dict[str, Any]:
    """What stands in place of the limit's own values; nothing where other gateways count by them as well."""
    if limit.scope == "cluster":
        return {}
    unnamed = overrides.limits.get((route.name, None), {}) if len(route.limit) == 1 else {}
    return {**unnamed, **overrides.limits.get((route.name, limit.name), {})}


def _setting_of(route: Route, limit: Limit, overrides: Overrides) -> Path:
    """That of the limit's burst; where there is none, of its rate."""
    root = ("routes", route.name, "limit")
    paths = [(*root, *name, key) for key in ("burst", "rate") for name in ((limit.name,), ())]
    return next(path for path in paths if path in overrides.settings)


def _limit(limit: Limit, values: Mapping[str, Any]) -> Limit:
    """Read again from what was written, so that a burst which nobody wrote follows its rate."""
    return Limit.model_validate(_written(limit, values)) if values else limit


def _written(limit: Limit, values: Mapping[str, Any]) -> dict[str, Any]:
    return {**limit.model_dump(mode="json", include=limit.model_fields_set), **values}


def _no_limit(route: Route, name: Sequence[str]) -> str | None:
    """Why the route has no such limit that could be changed here, if it has none."""
    limits = {limit.name: limit for limit in route.limit}
    if not limits:
        return "the route has no limit"
    if name and name[0] not in limits:
        return _unknown("the route has no limit", name[0], limits)
    if not name and len(limits) > 1:
        return f"the route has {len(limits)} limits: name one of {', '.join(limits)}"
    limit = limits[name[0]] if name else route.limit[0]
    return SHARED if limit.scope == "cluster" else None


def _no_side(route: Route, name: str, chosen: Mapping[str, int]) -> str | None:
    """Why a weight of the route's split has no effect, if it has none."""
    written = {side.service: side.weight for side in route.split}
    if not written:
        return "the route has no split"
    if name not in written:
        return _unknown("the split has no service", name, written)
    try:
        weights_with(written, _known(written, chosen))
    except ValueError as error:
        return str(error)
    return None


def _no_fault(route: Route, key: str) -> str | None:
    """Why a share of the route's injected faults has no effect, if it has none."""
    kind = key.removesuffix("_percent")
    if route.fault is None or getattr(route.fault, kind) is None:
        return f"the route has no fault.{kind}"
    return None


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    hint = did_you_mean(name, known)
    return f"{what} of this name" + (f"; {hint}" if hint else "")


def _mistake(path: Path, message: str, hint: str = "") -> Mistake:
    return Mistake(f"{message}; {hint}" if hint else message, dotted(path))


def _wrong(path: Path, message: str) -> ConfigErrors:
    return ConfigErrors("", [_mistake(path, message)])
