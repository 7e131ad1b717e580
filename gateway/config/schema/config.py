"""The whole file."""

from typing import Annotated

from pydantic import Field

from gateway.config.fields import Counted, ErrorStatus, FilePattern, Name
from gateway.config.schema.cluster import Cluster
from gateway.config.schema.gateway import Gateway, Log
from gateway.config.schema.listen import Listen
from gateway.config.schema.pages import ErrorPage
from gateway.config.schema.routes import Route
from gateway.config.schema.services import MAX_SERVICES, Service
from gateway.config.schema.table import Table
from gateway.model import Labels, labels_of


class Config(Table):
    """A whole configuration file."""

    include: Annotated[tuple[FilePattern, ...], Counted("pattern")] = ()
    """Patterns of files with further ``[[routes]]`` and ``[services.NAME]``, from the folder of this one: ``routes/*.toml``."""
    gateway: Gateway = Gateway()
    """What belongs to the whole gateway."""
    log: Log = Log()
    """The log on standard error, and the access log."""
    cluster: Cluster | None = None
    """The Redis through which gateways share limits."""
    errors: dict[ErrorStatus, ErrorPage] = Field(default={})
    """Pages by the status code that they stand for."""
    listen: Annotated[tuple[Listen, ...], Counted("[[listen]]")]
    """Addresses at which clients connect."""
    services: Annotated[dict[Name, Service], Counted("[services.NAME]", MAX_SERVICES)]
    """Services by name."""
    routes: Annotated[tuple[Route, ...], Counted("[[routes]]")] = ()
    """Matches; of several that fit, the most specific is taken, whatever their order. Listeners of mode "tcp" need none."""

    def services_of(self, route: Route) -> tuple[str, ...]:
        """The services that get the requests of a route; none where it answers them itself."""
        if route.service is not None:
            return (route.service,)
        if route.selects_by_name:
            return tuple(name for name, service in self.services.items() if service.expose)
        return tuple(side.service for side in route.split)

    def limit_count(self) -> int:
        """Limits of all kinds, of all routes and services."""
        owners: list[Route | Service] = [*self.routes, *self.services.values()]
        return sum(len(owner.limit) + len(owner.concurrency) for owner in owners)

    def series_count(self) -> int:
        """Pairs of a listener and a service of a route, each of which is counted apart; without a route, and without a
        service, there is one of each as well, and one for preflights, which no service gets. Copies are counted by route alone.
        """
        mirrors = sum(1 for route in self.routes if route.mirror is not None)
        preflights = sum(1 for route in self.routes if route.cors is not None)
        return mirrors + len(self.listen) * (
            1 + preflights + sum(max(1, len(self.services_of(route))) for route in self.routes)
        )

    def write_timeouts_ms(self) -> dict[str, int]:
        """How long a write may take, by the name of the listener that its client came by."""
        return {listen.name: listen.timeouts.write.milliseconds for listen in self.listen}

    def subsets(self) -> set[tuple[str, Labels]]:
        """The subsets that routes lead to: service and labels."""
        return {
            (route.service, labels_of(route.subset))
            for route in self.routes
            if route.service is not None and route.subset
        }
