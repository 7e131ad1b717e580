"""What rules between the parts of a configuration look at, and what they have to say."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.draft import Part
from gateway.config.paths import KeyPath
from gateway.config.schema import Cluster, Config, Gateway, Listen, Route, Service


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule. The message names other parts by their path and never quotes a value, which may be a secret."""

    path: KeyPath
    message: str
    hint: str = ""


class Draft:
    """The parts that rules look at."""

    def __init__(self, data: dict[str, object], where: Callable[[KeyPath], str]) -> None:
        """``data`` is the content of the files, after interpolation; ``where`` writes a path as people find it."""
        self.where = where
        root = Part(Config, data, ())
        self.gateway = root.table("gateway", Gateway)
        self.has_cluster = root.is_given("cluster")
        self.cluster = root.table("cluster", Cluster)
        self.listen = root.tables("listen", Listen)
        self.services = root.named_tables("services", Service)
        self.has_routes = root.is_given("routes")
        self.routes = root.tables("routes", Route)
