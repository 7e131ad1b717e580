"""The model of the configuration file: every key with its meaning, its unit and its default. One module for each table."""

from gateway.config.schema.cluster import Cluster, ClusterTls
from gateway.config.schema.config import Config
from gateway.config.schema.gateway import Gateway
from gateway.config.schema.limits import (
    MAX_CONCURRENCY_LIMITS,
    MAX_LIMITS,
    Concurrency,
    Limit,
    concurrency_table,
)
from gateway.config.schema.listen import Listen, ListenMax, ListenPaths
from gateway.config.schema.routes import (
    Fault,
    HeaderRules,
    Mirror,
    Redirect,
    Respond,
    Rewrite,
    Route,
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
    "Concurrency",
    "Config",
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
    "Mirror",
    "Passive",
    "Queue",
    "Redirect",
    "Respond",
    "RetryBudget",
    "Rewrite",
    "Route",
    "Service",
    "Side",
    "Sticky",
    "Table",
    "concurrency_table",
    "instance_table",
    "match_of",
]
