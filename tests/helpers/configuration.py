"""Writes the TOML of a test's gateway: one listener and one service unless a test says more."""

from collections.abc import Sequence
from typing import Protocol


class HasAddress(Protocol):
    """An origin, or whatever else a configuration can name as an instance."""

    @property
    def address(self) -> str:
        """``host:port``."""


def configuration(
    *origins: HasAddress | str,
    workers: int = 1,
    gateway: str = "",
    listen: str = "",
    service: str = "",
    route: str = "",
    routes: Sequence[str] = (),
    services: str = "",
) -> str:
    """A configuration with service ``api`` on the given origins and a route to it.

    ``gateway``, ``listen``, ``service`` and ``route`` are lines added to their tables; ``routes`` are whole route
    tables that stand before the default one, ``services`` are further service tables.
    """
    addresses = [origin if isinstance(origin, str) else origin.address for origin in origins]
    instances = ", ".join(f'"{address}"' for address in addresses)
    tables = [
        f'[gateway]\nworkers = {workers}\nadmin = "127.0.0.1:0"\n{gateway}',
        f'[[listen]]\naddress = "127.0.0.1:0"\n{listen}',
        f"[services.api]\ninstances = [{instances}]\n{service}",
        services,
        *(f"[[routes]]\n{extra}" for extra in routes),
        f'[[routes]]\nservice = "api"\n{route}',
    ]
    return "\n\n".join(table for table in tables if table) + "\n"
