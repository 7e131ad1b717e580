"""``[gateway]`` and ``[log]``: what belongs to the whole gateway."""

from typing import Annotated

from gateway.config.fields import (
    MAX_WORKERS,
    AccessLog,
    AdminAddress,
    Counted,
    Name,
    Proxy,
    Workers,
    between,
    choice,
    whole,
)
from gateway.config.schema.table import Table
from gateway.config.units import Duration
from gateway.model import ACCESS_LOG_OFF, ListenAddress

MAX_PROXIES = 4_096  # content delivery networks publish some hundred networks
LOG_LEVELS = ("debug", "info", "warning", "error")


class Gateway(Table):
    """What belongs to the whole gateway."""

    workers: Workers = "auto"
    """Worker processes, 1 to 127; "auto" is one per CPU that the gateway may use."""
    admin: AdminAddress = ListenAddress.parse("127.0.0.1:9901")
    """Address of the admin API and the metrics; port 0 lets the system choose."""
    drain_timeout: Annotated[Duration, between("0s", "24h")] = Duration.parse("30s")
    """Time that exchanges get to finish when the gateway stops."""
    tunnel_drain_timeout: Annotated[Duration, between("0s", "24h")] = Duration.parse("30s")
    """Time that tunnels, such as WebSockets, get to end by themselves when the gateway stops."""
    trusted_proxies: Annotated[tuple[Proxy, ...], Counted("network", MAX_PROXIES)] = ()
    """Networks and addresses of the proxies that are believed about the client they speak for. Without it none is."""
    zone: Name | None = None
    """Where this gateway runs. Instances of the same zone are used before the others."""
    max_instances: Annotated[int, whole(1, 1_048_576)] = 16_384
    """Instances of all services together that the shared memory has room for."""
    max_limit_keys: Annotated[int, whole(1, 100_000_000)] = 1_000_000
    """Token buckets that the shared memory has room for: one per limit and client active at the same time."""

    def worker_count(self, cpus: int) -> int:
        """Workers on a machine that lets the gateway use this many CPUs."""
        return min(cpus, MAX_WORKERS) if isinstance(self.workers, str) else self.workers


class Log(Table):
    """The log on standard error, and the access log."""

    level: Annotated[str, choice(*LOG_LEVELS)] = "info"
    """Least severity that is logged."""
    access: AccessLog = ACCESS_LOG_OFF
    """One line of JSON per request: "off", "stdout", or the absolute path of a file."""
