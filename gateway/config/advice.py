"""What is right in a configuration, and yet nothing that anybody wants by mistake. Pure."""

from collections.abc import Iterator

from gateway.config.schema import Config


def warnings_of(config: Config) -> Iterator[str]:
    """Each in a sentence."""
    for route in config.routes:
        if route.fault is not None and route.fault.hits:
            yield f"the route {route.name} injects faults into its requests"
