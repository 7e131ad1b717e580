"""This gateway's part in sharing limits: begins, changes and ends with the configuration."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.clock import NANOSECONDS
from gateway.config.schema import Cluster, Config, Limit
from gateway.supervisor.cluster.bucket import SharedLimit
from gateway.supervisor.cluster.service import ClusterService, Stocks, Tally
from gateway.supervisor.cluster.store import Store

logger = logging.getLogger("headgate.cluster")

RESTART_S = 1.0
"""After a bug of ours: meanwhile workers have what is in stock."""

LimitRow = Callable[[str, str, str], int]
"""The row of a limit by the kind of its owner, ``routes`` or ``services``, its owner and its name."""


@dataclass(frozen=True, slots=True)
class Report:
    """How things stand, for status and metrics."""

    servers: tuple[str, ...]
    reachable: bool
    unreachable_seconds: float
    """All together, since the start."""
    gateways: int
    leases: int
    tally: Tally


def shared_limits(config: Config, row: LimitRow) -> dict[int, SharedLimit]:
    """The limits that gateways share, by their rows."""
    return {
        row(kind, owner, limit.name): SharedLimit(
            name=f"{kind}/{owner}/{limit.name}",
            interval_us=limit.rate.period.nanoseconds * limit.tokens_each / (limit.rate.tokens * 1000),
            burst=limit.burst / limit.tokens_each,
            unreachable=limit.unreachable,
            strict=limit.strict,
        )
        for kind, owner, limit in _limits(config)
        if limit.scope == "cluster"
    }


def _limits(config: Config) -> Iterator[tuple[str, str, Limit]]:
    for route in config.routes:
        yield from (("routes", route.name, limit) for limit in route.limit)
    for name, service in config.services.items():
        yield from (("services", name, limit) for limit in service.limit)


class Membership:
    """The service that keeps stocks, where the configuration wants one; at most one at a time."""

    def __init__(
        self,
        stocks: Stocks,
        connect: Callable[[Cluster], Store],
        *,
        clock: Callable[[], int],
        most_in_stock: int,
    ) -> None:
        """``connect`` raises StartError, and asks nothing of the store yet."""
        self._stocks = stocks
        self._connect = connect
        self._clock = clock
        self._most = most_in_stock
        self._tally = Tally()
        self._settings: Cluster | None = None
        self._service: ClusterService | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def prepare(self, settings: Cluster | None) -> Store | None:
        """A store for settings that are about to come into force, where they differ. Raises StartError; nothing has changed."""
        return None if settings is None or settings == self._settings else self._connect(settings)

    def adopt(self, settings: Cluster | None, store: Store | None, limits: Mapping[int, SharedLimit]) -> None:
        """Brings settings into force, with the store that was prepared for them, before workers decide by them; cannot fail.
        Limits that are gone go on as they were until ``retire``.
        """
        before = self._service
        if store is not None:
            if before is None:
                service = ClusterService(
                    store,
                    self._stocks,
                    limits,
                    clock=self._clock,
                    most_in_stock=self._most,
                    tally=self._tally,
                )
            else:
                service = before.succeeded(store, limits)
                self._close_service()
            self._settings, self._service = settings, service
            self._task = asyncio.create_task(_kept_running(service))
        elif before is not None:
            before.adopt(limits)

    def retire(self, settings: Cluster | None, limits: Mapping[int, SharedLimit]) -> None:
        """No worker decides by anything but what was adopted: what is gone ends."""
        if self._service is not None:
            self._service.retire(limits)
            if settings is None:
                self._service.end()
                self._close_service()

    def call(self) -> None:
        """Somebody waits for an answer: it is asked for at once."""
        if self._service is not None:
            self._service.call()

    async def close(self) -> None:
        """Ends it: what is held is given back. Idempotent."""
        self.retire(None, {})
        await asyncio.gather(*self._closing)

    def _close_service(self) -> None:
        """In the background: a store that is away takes its time."""
        if self._service is not None and self._task is not None:
            closing = asyncio.create_task(_closed(self._service, self._task))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._service = self._task = self._settings = None

    def report(self) -> Report | None:
        """How things stand; None where nothing is shared."""
        service, settings = self._service, self._settings
        if service is None or settings is None:
            return None
        since = service.away_since
        gone = self._tally.unreachable_ns + (self._clock() - since if since is not None else 0)
        return Report(
            servers=tuple(map(str, settings.redis)),
            reachable=since is None,
            unreachable_seconds=gone / NANOSECONDS,
            gateways=service.gateways,
            leases=service.leases,
            tally=replace(self._tally),
        )


async def _kept_running(service: ClusterService) -> None:
    """A bug in it costs limits their exactness for a moment, and not the gateway."""
    while not service.over:
        try:
            await service.run()
        except Exception:
            logger.exception("sharing limits has failed; it begins anew")
            await asyncio.sleep(RESTART_S)


async def _closed(service: ClusterService, running: asyncio.Task[None]) -> None:
    """After the turn that is under way: what it is granted is given back as well."""
    try:
        await running
        await service.close()
    except Exception:
        logger.exception("what was held of shared limits could not be given back")
