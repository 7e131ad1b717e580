"""Gives out the rows of the shared memory's tables by identity, so that a reload finds each counter where it was."""

from typing import Generic, TypeVar

from gateway.supervisor.telemetry.metrics import LimitRow, RequestRow

Identity = TypeVar("Identity", str, tuple[str, str], tuple[str, str | None])


class NoRowError(Exception):
    """The table is full: its capacity was fixed when the shared memory was made."""


class Table(Generic[Identity]):
    """One table: an identity keeps its row for as long as the shared memory lives."""

    def __init__(self, name: str, capacity: int) -> None:
        self._name = name
        self._capacity = capacity
        self._rows: dict[Identity, int] = {}

    def row(self, identity: Identity) -> int:
        """The row of an identity, a new one the first time. Raises NoRowError."""
        if identity not in self._rows and len(self._rows) == self._capacity:
            raise NoRowError(f"the shared memory has room for {self._capacity} {self._name}")
        return self._rows.setdefault(identity, len(self._rows))

    def items(self) -> list[tuple[Identity, int]]:
        """Everything given out so far, in the order of the rows."""
        return list(self._rows.items())


class Rows:
    """All tables. Implements ``Rows`` of ``gateway.config.compile``: what is asked for is given a place."""

    def __init__(self, *, services: int, series: int, limits: int) -> None:
        """The capacities of the shared memory."""
        self._services = Table[str]("services", services)
        self._series = Table[tuple[str, str | None]]("pairs of listener and route", series)
        self._limits = Table[tuple[str, str]]("limits", limits)

    def service_slot(self, service: str) -> int:
        """The row of a service. Raises NoRowError, as the others do."""
        return self._services.row(service)

    def request_row(self, listener: str, route: str | None) -> int:
        """The row of a listener and route; None is for what matched no route."""
        return self._series.row((listener, route))

    def limit_row(self, route: str, limit: str) -> int:
        """The row of a route's limit."""
        return self._limits.row((route, limit))

    def services(self) -> dict[str, int]:
        """The row of every service."""
        return dict(self._services.items())

    def requests(self, services: dict[str, str]) -> list[RequestRow]:
        """What every row of the request table counts; ``services`` names the service of each route."""
        return [
            RequestRow(row, listener, route or "", services.get(route or "", ""))
            for (listener, route), row in self._series.items()
        ]

    def limits(self) -> list[LimitRow]:
        """What every row of the limit table counts."""
        return [LimitRow(row, route, limit) for (route, limit), row in self._limits.items()]
