"""The model of the configuration file: every key with its meaning, its unit and its default. One module for each table."""

from gateway.config.schema.cluster import Cluster, ClusterTls
from gateway.config.schema.compress import Compress
from gateway.config.schema.config import Config
from gateway.config.schema.cors import Cors
from gateway.config.schema.gateway import Gateway
from gateway.config.schema.limits import (
    MAX_CONCURRENCY_LIMITS,
    MAX_LIMITS,
    Concurrency,
    Limit,
    concurrency_table,
)
from gateway.config.schema.listen import Listen, ListenMax, ListenPaths, ListenTimeouts
from gateway.config.schema.maintenance import Maintenance, maintenance_table
from gateway.config.schema.pages import ErrorPage
from gateway.config.schema.routes import (
    Fault,
    HeaderRules,
    Mirror,
    Redirect,
    Respond,
    Rewrite,
    Route,
    RouteTimeouts,
    Side,
    match_of,
)
from gateway.config.schema.services import (
    FAILURE_STATUSES,
    MAX_SERVICES,
    Hash,
    HealthCheck,
    Instance,
    Passive,
    Queue,
    RetryBudget,
    Service,
    ServiceTimeouts,
    Sticky,
    instance_table,
)
from gateway.config.schema.table import Table

__all__ = [
    "FAILURE_STATUSES",
    "MAX_CONCURRENCY_LIMITS",
    "MAX_LIMITS",
    "MAX_SERVICES",
    "Cluster",
    "ClusterTls",
    "Compress",
    "Concurrency",
    "Config",
    "Cors",
    "ErrorPage",
    "Fault",
    "Gateway",
    "Hash",
    "HeaderRules",
    "HealthCheck",
    "Instance",
    "Limit",
    "Listen",
    "ListenMax",
    "ListenPaths",
    "ListenTimeouts",
    "Maintenance",
    "Mirror",
    "Passive",
    "Queue",
    "Redirect",
    "Respond",
    "RetryBudget",
    "Rewrite",
    "Route",
    "RouteTimeouts",
    "Service",
    "ServiceTimeouts",
    "Side",
    "Sticky",
    "Table",
    "concurrency_table",
    "instance_table",
    "maintenance_table",
    "match_of",
]
