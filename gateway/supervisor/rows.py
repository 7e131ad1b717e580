"""Gives out the rows of the shared memory's tables by identity, so that a reload finds each counter where it was."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.model import Labels
from gateway.supervisor.telemetry.metrics import LimitRow, MirrorRow, RequestRow

Identity = TypeVar("Identity", str, tuple[str, str, str], tuple[str, Labels], tuple[str, str | None, str])


ALL: Labels = ()
"""The labels that every instance has."""
NO_LISTENER = ""
"""By this copies come in: no client has sent them."""
MAX_LISTENERS = 1024  # every one that there ever was stands in each snapshot, for its connections may live on


class NoRowError(Exception):
    """The table is full: its capacity was fixed when the shared memory was made."""

    def __init__(self, key: str, rows: str, capacity: int) -> None:
        """``key``: the part of the configuration that asks for ``rows``, as words."""
        self.key = key
        self.room = f"{capacity} {rows}"
        """What there is room for, as words."""
        super().__init__(
            f"the shared memory has room for {self.room}, counting all since the start; a restart makes room"
        )


class Table(Generic[Identity]):
    """One table: an identity keeps its row for as long as the shared memory lives."""

    def __init__(self, key: str, name: str, capacity: int, rows: dict[Identity, int] | None = None) -> None:
        """``key``: the part of the configuration that its rows stand for; ``rows``: those given out already."""
        self._key = key
        self._name = name
        self._capacity = capacity
        self._rows: dict[Identity, int] = rows if rows is not None else {}

    def row(self, identity: Identity) -> int:
        """The row of an identity, a new one the first time. Raises NoRowError."""
        if identity not in self._rows and len(self._rows) == self._capacity:
            raise NoRowError(self._key, self._name, self._capacity)
        return self._rows.setdefault(identity, len(self._rows))

    def copy(self) -> "Table[Identity]":
        """A table that starts with the same rows."""
        return Table(self._key, self._name, self._capacity, dict(self._rows))

    def items(self) -> list[tuple[Identity, int]]:
        """Everything given out so far, in the order of the rows."""
        return list(self._rows.items())


@dataclass(frozen=True, slots=True)
class Rows:
    """All tables. Implements ``Rows`` of ``gateway.config.compile``: what is asked for is given a place."""

    _listeners: Table[str]
    _services: Table[tuple[str, Labels]]
    _series: Table[tuple[str, str | None, str]]
    _limits: Table[tuple[str, str, str]]

    @classmethod
    def fresh(cls, *, services: int, series: int, limits: int) -> "Rows":
        """Empty tables with the capacities of the shared memory."""
        return cls(
            Table("listen", "listeners", MAX_LISTENERS),
            Table("services", "services and subsets", services),
            Table("routes", "pairs of listener and route", series),
            Table("routes", "limits", limits),
        )

    def copy(self) -> "Rows":
        """Tables to try a configuration with: what they give out counts only if they are taken for these."""
        return Rows(self._listeners.copy(), self._services.copy(), self._series.copy(), self._limits.copy())

    def listener_number(self, listener: str) -> int:
        """The number of a listener. Raises NoRowError, as the others do."""
        return self._listeners.row(listener)

    def service_slot(self, service: str) -> int:
        """The row of a service."""
        return self._services.row((service, ALL))

    def subset_slot(self, service: str, labels: Labels) -> int:
        """The row of those instances of a service that have these labels."""
        return self._services.row((service, labels))

    def request_row(self, listener: str, route: str | None, service: str) -> int:
        """The row of a listener, a route and its service; None is for what matched no route.

        The service belongs to the identity, or a route that is led to another one would take its counts along.
        """
        return self._series.row((listener, route, service))

    def mirror_row(self, route: str, service: str) -> int:
        """The row of the copies of a route's requests that a service gets."""
        return self._series.row((NO_LISTENER, route, service))

    def limit_row(self, kind: str, owner: str, limit: str) -> int:
        """The row of a limit."""
        return self._limits.row((kind, owner, limit))

    def services(self) -> dict[str, int]:
        """The row of every service."""
        return {service: row for (service, labels), row in self._services.items() if labels == ALL}

    def banks(self) -> dict[str, dict[Labels, int]]:
        """By service the row of every subset that it ever had, itself among them: exchanges may still go by each."""
        banks: dict[str, dict[Labels, int]] = {}
        for (service, labels), row in self._services.items():
            banks.setdefault(service, {})[labels] = row
        return banks

    def requests(self) -> list[RequestRow]:
        """What every row of the request table counts."""
        return [
            RequestRow(row, listener, route or "", service)
            for (listener, route, service), row in self._series.items()
            if listener != NO_LISTENER
        ]

    def mirrors(self) -> list[MirrorRow]:
        """What every row of the request table counts that is about copies."""
        return [
            MirrorRow(row, route or "", service)
            for (listener, route, service), row in self._series.items()
            if listener == NO_LISTENER
        ]

    def limits(self) -> list[LimitRow]:
        """What every row of the limit table counts."""
        return [
            LimitRow(
                row,
                route=owner if kind == "routes" else "",
                service=owner if kind == "services" else "",
                limit=limit,
            )
            for (kind, owner, limit), row in self._limits.items()
        ]
