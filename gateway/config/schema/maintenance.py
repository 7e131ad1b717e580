"""``maintenance`` of routes and services."""

from typing import Annotated

from pydantic import BeforeValidator

from gateway.config.fields import Counted, Flag, Proxy, between
from gateway.config.schema.gateway import MAX_PROXIES
from gateway.config.schema.pages import ErrorPage
from gateway.config.schema.table import Table
from gateway.config.units import Duration
from gateway.errors import InvalidValueError


class Maintenance(Table):
    """Requests are answered with 503, but those of some clients."""

    on: Flag = True
    """Whether it is under way."""
    retry_after: Annotated[Duration, between("1s", "24h")] | None = None
    """When clients are told to come again, in whole seconds, rounded up. Without it nothing is said."""
    page: ErrorPage | None = None
    """What they get to read. Without it the page for 503."""
    allow: Annotated[tuple[Proxy, ...], Counted("network", MAX_PROXIES)] = ()
    """Networks and addresses of clients whose requests go on. Without it none do."""


def maintenance_table(value: object) -> object:
    """True and false are tables with nothing but that."""
    if isinstance(value, bool):
        return {"on": value}
    if not isinstance(value, dict | Maintenance):
        raise InvalidValueError("true, false or a table")
    return value


MaintenanceTable = Annotated[
    Maintenance | None, BeforeValidator(maintenance_table, json_schema_input_type=bool | Maintenance)
]
